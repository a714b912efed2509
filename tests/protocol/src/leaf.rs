//! Leaves: their ids, and what may lie at a leaf's name.

use crate::rows::Rows;

/// The index of a leaf id. A leaf published again after a void has an id of its own.
pub type LeafId = u8;

/// How many leaf ids the model has.
pub const LEAVES: usize = 9;

/// A part of a batch, or the foreign file. Each try to publish it has a leaf id of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Leaf 0 of claim 0 of the named batch.
    First,
    /// Leaf 1 of claim 0 of the named batch: the same day, or the second day.
    Second,
    /// The only leaf of an unnamed batch. It may come late.
    Late,
    /// The only leaf of claim 1 of the named batch: other rows than claim 0's.
    Mended,
}

impl Part {
    /// How many tries to publish this part the model knows.
    #[must_use]
    pub const fn tries(self) -> u8 {
        match self {
            Self::First | Self::Second => 3,
            Self::Late => 1,
            Self::Mended => 2,
        }
    }

    /// The leaf id of one try.
    #[must_use]
    pub const fn id(self, try_number: u8) -> LeafId {
        let base = match self {
            Self::First => 0,
            Self::Second => 3,
            Self::Late => 6,
            Self::Mended => 7,
        };
        base + try_number
    }

    /// The ids of all tries.
    #[must_use]
    pub fn ids(self) -> Ids {
        (0..self.tries()).fold(Ids::NONE, |ids, try_number| ids.and(self.id(try_number)))
    }

    /// The rows of this part. The cut of a batch into leaves depends on the order of its rows.
    #[must_use]
    pub const fn rows(self, order: Order) -> Rows {
        match (self, order) {
            (Self::First, Order::AsClaimed) => Rows::FIRST_X,
            (Self::Second, Order::AsClaimed) => Rows::SECOND_Y.with(Rows::SECOND_X),
            (Self::First, Order::Other) => Rows::SECOND_Y,
            (Self::Second, Order::Other) => Rows::FIRST_X.with(Rows::SECOND_X),
            (Self::Late, _) => Rows::LATE,
            (Self::Mended, _) => Rows::MENDED.with(Rows::MENDED_X),
        }
    }
}

/// The order in which a writer of the named batch is given its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// As the first writer was given them.
    AsClaimed,
    /// Another order, hence other leaves.
    Other,
}

/// A set of identities that a manifest may have absorbed: leaf ids, and contents of the foreign
/// file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ids(u16);

impl Ids {
    /// No identity.
    pub const NONE: Self = Self(0);

    /// The identity of a content of the foreign file (its path and the hash of its bytes).
    #[must_use]
    pub const fn foreign(content: u8) -> Self {
        Self(1 << LEAVES << content)
    }

    /// This set and one leaf id.
    #[must_use]
    pub const fn and(self, id: LeafId) -> Self {
        Self(self.0 | 1 << id)
    }

    /// The union.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both sets have.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// This set without the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a leaf id is in the set.
    #[must_use]
    pub const fn has(self, id: LeafId) -> bool {
        self.0 >> id & 1 == 1
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The leaf ids of the set, in order.
    pub fn leaves(self) -> impl Iterator<Item = LeafId> {
        (0..).take(LEAVES).filter(move |id| self.has(*id))
    }
}

/// What lies at a leaf's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// Nothing.
    Absent,
    /// Rows.
    Rows(Rows),
    /// The void of an erasure: no rows, and which rows must not be published.
    Void(Rows),
    /// The void of a claim that was given up.
    GivenUp,
}

impl Leaf {
    /// The rows in it.
    #[must_use]
    pub const fn rows(self) -> Rows {
        match self {
            Self::Rows(rows) => rows,
            Self::Absent | Self::Void(_) | Self::GivenUp => Rows::NONE,
        }
    }

    /// Whether it is a void of either kind.
    #[must_use]
    pub const fn is_void(self) -> bool {
        matches!(self, Self::Void(_) | Self::GivenUp)
    }
}
