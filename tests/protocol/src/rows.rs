//! The rows of the model, and how often each of them counts.

/// A multiset of the model's eight rows: two bits a row, so a row counts at most three times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rows(u16);

impl Rows {
    /// No row.
    pub const NONE: Self = Self(0);
    /// The first batch, first leaf: matched by the first erasure.
    pub const FIRST_X: Self = Self(1);
    /// The first batch, second leaf: matched by the second erasure only.
    pub const SECOND_Y: Self = Self(1 << 2);
    /// The first batch, second leaf: matched by the first erasure.
    pub const SECOND_X: Self = Self(1 << 4);
    /// The late batch.
    pub const LATE: Self = Self(1 << 6);
    /// The foreign file as its owner wrote it first: matched by the first erasure.
    pub const FOREIGN_OLD: Self = Self(1 << 8);
    /// The foreign file after its owner has rewritten it.
    pub const FOREIGN_NEW: Self = Self(1 << 10);
    /// The mended first batch: matched by no erasure.
    pub const MENDED: Self = Self(1 << 12);
    /// The mended first batch: matched by the first erasure.
    pub const MENDED_X: Self = Self(1 << 14);

    /// Every row, each alone.
    pub const EACH: [Self; 8] = [
        Self::FIRST_X,
        Self::SECOND_Y,
        Self::SECOND_X,
        Self::LATE,
        Self::FOREIGN_OLD,
        Self::FOREIGN_NEW,
        Self::MENDED,
        Self::MENDED_X,
    ];

    /// The rows of two sets that share no row.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The sum of two multisets; three stands for three or more.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let mut sum = 0;
        for row in Self::EACH {
            let count = (self.count(row) + other.count(row)).min(3);
            sum |= row.0 * count;
        }
        Self(sum)
    }

    /// This multiset without the rows of `set`.
    #[must_use]
    pub const fn without(self, set: Self) -> Self {
        Self(self.0 & !(set.0 * 3))
    }

    /// The rows of this set that are in the other set, too.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// How often `row` counts.
    #[must_use]
    pub const fn count(self, row: Self) -> u16 {
        (self.0 / row.0) & 3
    }

    /// Whether any row of `set` counts.
    #[must_use]
    pub const fn has_any(self, set: Self) -> bool {
        self.0 & (set.0 * 3) != 0
    }

    /// Whether this set has a row that the other set lacks.
    #[must_use]
    pub fn has_more_than(self, other: Self) -> bool {
        Self::EACH.into_iter().any(|row| self.has_any(row) && !other.has_any(row))
    }
}
