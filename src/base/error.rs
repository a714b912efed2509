//! One error type for every surface. An error says what happened and what a caller can do about
//! it.

use std::{error::Error as StdError, fmt};

/// A result with Tallybook's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input, the SQL, the definition or a setting is wrong. Correct it and try again.
    Invalid,
    /// The requested thing isn't there.
    NotFound,
    /// A stored file isn't what it should be. The message names the file to look at.
    Corrupt,
    /// Something else already has this name with other content, or another writer changed the same
    /// thing meanwhile.
    Conflict,
    /// The store can't be reached, can't be written to, or has no room. Try again later.
    Unavailable,
    /// A limit was reached. Request less, or raise the limit.
    Limit,
    /// A bug in Tallybook.
    Internal,
}

/// An error: its kind, a message that names the thing concerned, and the cause.
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(message: impl Into<String>) -> Self {
            Self::new(ErrorKind::$kind, message)
        })*
    };
}

impl Error {
    /// An error of this kind, without a cause.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    constructors! {
        /// [`ErrorKind::Invalid`].
        invalid => Invalid;
        /// [`ErrorKind::NotFound`].
        not_found => NotFound;
        /// [`ErrorKind::Corrupt`].
        corrupt => Corrupt;
        /// [`ErrorKind::Conflict`].
        conflict => Conflict;
        /// [`ErrorKind::Unavailable`].
        unavailable => Unavailable;
        /// [`ErrorKind::Limit`].
        limit => Limit;
        /// [`ErrorKind::Internal`].
        internal => Internal;
    }

    /// The same error with a cause, which [`StdError::source`] returns.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with `subject` in front of its message: the file, day or rollup concerned.
    #[must_use]
    pub fn about(mut self, subject: impl fmt::Display) -> Self {
        self.message = format!("{subject}: {}", self.message);
        self
    }

    /// A file system error. It is `NotFound` when the file is missing, `Corrupt` when the data is
    /// invalid or ends early, `Invalid` when a folder is in the file's place, and `Unavailable`
    /// otherwise, such as without room or permission.
    #[must_use]
    pub fn io(subject: impl fmt::Display, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match source.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::InvalidData | Io::UnexpectedEof => ErrorKind::Corrupt,
            Io::IsADirectory => ErrorKind::Invalid,
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, format!("{subject}: {source}")).with_source(source)
    }

    /// The error's kind, which says what a caller can do.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| {
            let source: &(dyn StdError + 'static) = source.as_ref();
            source
        })
    }
}
