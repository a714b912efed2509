//! A set of instants: disjoint half-open spans, in order.

use super::Span;

/// Spans in ascending order. None is empty, and none touches the next. Every set has one form, so
/// equal sets compare equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// No time at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// All of time.
    #[must_use]
    pub fn all() -> Self {
        Self::from(Span::ALL)
    }

    /// The time that is inside any of the spans.
    #[must_use]
    pub fn union_of(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut spans: Vec<_> = spans.into_iter().filter(|span| !span.is_empty()).collect();
        spans.sort_by_key(|span| span.start);
        let mut united: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match united.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => united.push(span),
            }
        }
        Self(united)
    }

    /// The time that is inside either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::union_of(self.iter().chain(other.iter()))
    }

    /// The time that is inside both sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let mut shared = Vec::new();
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek().copied(), right.peek().copied()) {
            let both = a.intersect(b);
            if !both.is_empty() {
                shared.push(both);
            }
            if a.end <= b.end {
                left.next()
            } else {
                right.next()
            };
        }
        Self(shared)
    }

    /// The time that is outside the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut gaps = Vec::with_capacity(self.0.len() + 1);
        let mut at = Span::ALL.start;
        for span in self.iter() {
            gaps.push(Span::new(at, span.start));
            at = span.end;
        }
        gaps.push(Span::new(at, Span::ALL.end));
        Self::union_of(gaps)
    }

    /// The smallest span that contains the whole set.
    #[must_use]
    pub fn hull(&self) -> Span {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => Span::new(first.start, last.end),
            _ => Span::EMPTY,
        }
    }

    /// Whether no instant is inside.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts inside `span`, in order.
    pub fn within(&self, span: Span) -> impl Iterator<Item = Span> + '_ {
        let first = self.0.partition_point(|part| part.end <= span.start);
        let parts = self.0.iter().skip(first).take_while(move |part| part.start < span.end);
        parts.map(move |part| part.intersect(span))
    }

    /// The spans, in order.
    pub fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.0.iter().copied()
    }
}

impl From<Span> for Spans {
    fn from(span: Span) -> Self {
        Self::union_of([span])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(spans: &[(i64, i64)]) -> Spans {
        Spans::union_of(spans.iter().map(|(start, end)| Span::new(*start, *end)))
    }

    #[test]
    fn unions_have_one_form() {
        assert_eq!(set(&[(5, 7), (1, 3), (3, 4), (6, 9), (2, 2)]), set(&[(1, 4), (5, 9)]));
        assert_eq!(set(&[(1, 3)]).union(&set(&[(2, 5), (8, 9)])), set(&[(1, 5), (8, 9)]));
        assert_eq!(set(&[(3, 3), (4, 2)]), Spans::none());
    }

    #[test]
    fn intersections_and_complements() {
        let odd = set(&[(1, 3), (5, 7), (9, 11)]);
        assert_eq!(odd.intersect(&set(&[(2, 6), (10, 20)])), set(&[(2, 3), (5, 6), (10, 11)]));
        assert_eq!(odd.intersect(&Spans::all()), odd);
        assert_eq!(odd.complement().complement(), odd);
        assert!(odd.intersect(&odd.complement()).is_empty());
        assert_eq!(odd.union(&odd.complement()), Spans::all());
        assert_eq!(Spans::all().complement(), Spans::none());
        assert_eq!(odd.hull(), Span::new(1, 11));
    }

    #[test]
    fn the_parts_inside_a_span() {
        let odd = set(&[(1, 3), (5, 7), (9, 11)]);
        let inside: Vec<_> = odd.within(Span::new(2, 9)).collect();
        assert_eq!(inside, [Span::new(2, 3), Span::new(5, 7)]);
    }
}
