//! The definitions of a root, as of the time when the root was opened.

use tokio::sync::OnceCell;

use crate::{
    base::{Error, Result},
    model::Dataset,
    store::{
        Definitions, Root, Staging, Stored, create_definition, move_to_format_2, probe_create,
        read_definitions,
    },
};

/// The definitions of a root, as of the time when the root was opened. Once the root is known to
/// be of format 2, also the number of the newest definition. A writer moves a root of format 1 to
/// format 2 first.
#[derive(Debug)]
pub(crate) struct RootDefinitions {
    opened: Definitions,
    /// Whether the root doesn't exist yet. Such a root gets its definition with its first rows.
    unmade: bool,
    number: OnceCell<u32>,
}

impl RootDefinitions {
    /// The definitions of a root that exists.
    #[must_use]
    pub(crate) fn new(opened: Definitions) -> Self {
        Self { opened, unmade: false, number: OnceCell::new() }
    }

    /// The definitions of a root that doesn't exist yet. The root gets these definitions with its
    /// first rows.
    #[must_use]
    pub(crate) fn unmade(opened: Definitions) -> Self {
        Self { opened, unmade: true, number: OnceCell::new() }
    }

    /// The definitions as of the time when the root was opened.
    #[must_use]
    pub(crate) const fn opened(&self) -> &Definitions {
        &self.opened
    }

    /// The number of the newest definition, as far as is known without a request; 0 in format 1.
    #[must_use]
    pub(crate) fn known_number(&self) -> u32 {
        self.number.get().copied().unwrap_or(self.opened.number)
    }

    /// The number of the newest definition. Moves a root of format 1 to format 2 first, and
    /// creates a root that doesn't exist yet.
    ///
    /// # Errors
    /// `Conflict` when somebody else created the root meanwhile with a different definition, or
    /// moved it to format 2 with a different chain; `Unavailable` when the store can't be written
    /// to; any other error from the store.
    pub(crate) async fn ensure_stored(&self, root: &Root, staging: &Staging) -> Result<u32> {
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

    /// The definitions, with the number of the newest one in format 2.
    ///
    /// # Errors
    /// See [`number`](Self::number).
    pub(crate) async fn ensure_current(
        &self,
        root: &Root,
        staging: &Staging,
    ) -> Result<Definitions> {
        let number = self.ensure_stored(root, staging).await?;
        Ok(Definitions { number, ..self.opened.clone() })
    }

    /// Creates the root with the definition that it was opened with, and gives the number of its
    /// newest definition.
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

/// The error for a root that doesn't exist.
#[must_use]
pub(crate) fn no_dataset(root: &Root) -> Error {
    Error::not_found(format!(
        "there is no dataset at {}; `append` or `init` makes one",
        root.name()
    ))
}
