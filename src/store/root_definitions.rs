//! The definitions of a root, as they were when it was opened.

use tokio::sync::OnceCell;

use crate::{
    base::{Error, Result},
    model::Dataset,
    store::{
        Definitions, Root, Staging, Stored, create_definition, move_to_format_2, probe_create,
        read_definitions,
    },
};

/// The definitions of a root, as they were when it was opened, and the number of the newest of
/// them, once the root is known to be of format 2: whoever writes moves it.
#[derive(Debug)]
pub(crate) struct RootDefinitions {
    opened: Definitions,
    /// Whether the root has none yet, and gets them with its first rows.
    unmade: bool,
    number: OnceCell<u32>,
}

impl RootDefinitions {
    /// Those of a root that exists.
    #[must_use]
    pub(crate) fn new(opened: Definitions) -> Self {
        Self { opened, unmade: false, number: OnceCell::new() }
    }

    /// Those that a root will have that doesn't exist yet.
    #[must_use]
    pub(crate) fn unmade(opened: Definitions) -> Self {
        Self { opened, unmade: true, number: OnceCell::new() }
    }

    /// As they were when the root was opened.
    #[must_use]
    pub(crate) const fn opened(&self) -> &Definitions {
        &self.opened
    }

    /// The number of the newest, if the root is known to have it; 0 in format 1.
    #[must_use]
    pub(crate) fn known_number(&self) -> u32 {
        self.number.get().copied().unwrap_or(self.opened.number)
    }

    /// The number of the newest. A root of format 1 gets a chain of definitions first, and one that
    /// isn't made is made.
    ///
    /// # Errors
    /// `Conflict` when somebody else made the root meanwhile, with another definition;
    /// `Unavailable` when the store can't be written to.
    pub(crate) async fn number(&self, root: &Root, staging: &Staging) -> Result<u32> {
        let number = self.number.get_or_try_init(|| async {
            if self.unmade {
                return self.make(root, staging).await;
            }
            match self.opened.number {
                0 => move_to_format_2(root, staging, &self.opened).await,
                number => Ok(number),
            }
        });
        number.await.copied()
    }

    /// The definitions, as a writer of format 2 goes by them.
    ///
    /// # Errors
    /// As [`number`](Self::number).
    pub(crate) async fn current(&self, root: &Root, staging: &Staging) -> Result<Definitions> {
        let number = self.number(root, staging).await?;
        Ok(Definitions { number, ..self.opened.clone() })
    }

    /// Makes the root of the definition that it was opened with.
    async fn make(&self, root: &Root, staging: &Staging) -> Result<u32> {
        let newest = &self.opened.newest;
        probe_create(root, staging).await?;
        create_definition(root, staging, 1, &newest.text).await?;
        let made = read_definitions(root).await?.ok_or_else(|| no_dataset(root))?;
        let parse = |stored: &Stored| Dataset::parse(&stored.text, &stored.file);
        if parse(&made.newest)? == parse(newest)? {
            return Ok(made.number);
        }
        Err(Error::conflict(format!(
            "{}: somebody else made the root meanwhile, with another definition; nothing was \
             appended, try again",
            root.name()
        )))
    }
}

/// The error of a root that nobody made.
#[must_use]
pub(crate) fn no_dataset(root: &Root) -> Error {
    Error::not_found(format!(
        "there is no dataset at {}; `append` or `init` makes one",
        root.name()
    ))
}
