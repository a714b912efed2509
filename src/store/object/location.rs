//! Parses a root's location: a URL, or a path on the local disk.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use url::Url;

use crate::base::{Error, Result};

/// The schemes that are never meant as the start of a folder's name.
const SCHEMES: [&str; 11] =
    ["abfs", "abfss", "az", "azure", "file", "gs", "http", "https", "memory", "s3", "s3a"];

/// The location as a URL; `None` for a path. A location that looks like a URL with a slash
/// missing is an error: a folder of that name would fill up in place of the bucket.
///
/// # Errors
/// `Invalid` when a slash is missing, with the URL that was probably meant. `Invalid` when the
/// URL can't be parsed or may contain a secret.
pub(crate) fn url_of(location: &str) -> Result<Option<Url>> {
    let Some((scheme, rest)) = split_scheme(location) else { return Ok(None) };
    if rest.starts_with("//") {
        let url = Url::parse(location).map_err(|error| {
            // A secret with a slash makes the URL invalid, and the error must not show the secret.
            let may_be_secret = location.contains(['@', '?', '#']);
            let shown = if may_be_secret { scheme } else { location };
            Error::invalid(format!("root `{shown}`: {error}"))
        })?;
        // `abfss://container@account…` has a container before the `@`, and no user.
        let may_have_user = ["abfs", "abfss"].contains(&url.scheme());
        check_no_secret(&url, may_have_user, "the root's URL")?;
        return Ok(Some(url));
    }
    let scheme = scheme.to_ascii_lowercase();
    if !rest.starts_with('/') && !SCHEMES.contains(&scheme.as_str()) {
        return Ok(None);
    }
    let slashes = if scheme == "file" { ":///" } else { "://" };
    let meant = format!("{scheme}{slashes}{}", rest.trim_start_matches('/'));
    Err(Error::invalid(format!(
        "root `{location}`: did you mean `{meant}`? A folder of that name is `./{location}`"
    )))
}

/// Checks that a URL contains nothing that could be a secret. Never prints the URL.
///
/// # Errors
/// `Invalid` when the URL may contain a secret. The message calls the URL `what`.
pub(crate) fn check_no_secret(url: &Url, may_have_user: bool, what: &str) -> Result<()> {
    let has_user = !url.username().is_empty() && !may_have_user;
    // `s3://KEY:SECRET/…@bucket` may parse as a host with a port.
    let has_port = url.port().is_some() && !url.scheme().starts_with("http");
    if has_user
        || has_port
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(Error::invalid(format!(
            "{what} has a user, a password, a port, a query or a fragment in it; give only \
             `scheme://place/path`, and credentials in variables such as AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY"
        )));
    }
    Ok(())
}

/// A URL's scheme, and the text after its colon. A single letter is no scheme.
fn split_scheme(location: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = location.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// The absolute path of a folder, without `.`, `..` and symbolic links. The folder need not
/// exist. `..` means the real parent of a folder that exists. After a name that doesn't exist,
/// `..` removes that name.
///
/// # Errors
/// An I/O error when the path is empty, or the working directory doesn't exist.
pub(crate) fn real_path(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let mut real = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                real.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                real.push(part);
                if let Ok(followed) = real.canonicalize() {
                    real = followed;
                }
            }
        }
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn urls_paths_and_what_is_neither() {
        for url in ["s3://b/x", "S3://b/x", "file:///x", "http://x/y", "memory://", "s3://b/a:/c"] {
            assert!(url_of(url).unwrap().is_some(), "{url}");
        }
        for path in
            ["data", "/a/s3:/b", "./s3:/b", "./a://b", "/a/b://c", "c:/x", "a b:/c", "12:30"]
        {
            assert!(url_of(path).unwrap().is_none(), "{path}");
        }
        for (wrong, meant) in [
            ("s3:/b/x", "`s3://b/x`"),
            ("S3:/b", "`s3://b`"),
            ("s3:b", "`s3://b`"),
            ("gs:/b", "`gs://b`"),
            ("az:/b", "`az://b`"),
            ("file:/x", "`file:///x`"),
            ("ftp:/x", "`ftp://x`"),
        ] {
            let error = url_of(wrong).unwrap_err().to_string();
            assert!(error.contains(meant) && error.contains(&format!("./{wrong}")), "{error}");
        }
    }

    #[test]
    fn secrets_are_refused_and_not_printed() {
        for url in [
            "s3://akia7:hunter2@bucket/x",
            "s3://hunter2@bucket/x",
            "s3://akia7:SE/hunter2@bucket/x",
            "s3://bucket/x?X-Amz-Signature=hunter2",
            "gs://bucket/x#hunter2",
            "abfss://container:hunter2@account.dfs.core.windows.net/x",
        ] {
            let error = url_of(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("akia7"), "{error}");
        }
        assert!(url_of("abfss://container@account.dfs.core.windows.net/x").is_ok());
    }

    #[test]
    fn dots_are_gone_and_links_followed() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir_all(top.join("far/away")).unwrap();
        symlink(top.join("far/away"), top.join("link")).unwrap();
        for (path, real) in [
            ("a/./b", "a/b"),
            ("a/b/..", "a"),
            ("a/b/../c/", "a/c"),
            ("a/new/../b", "a/b"),
            ("new/../link/x", "far/away/x"),
            ("link", "far/away"),
            ("link/../x", "far/x"),
            ("link/new/../../x", "far/x"),
        ] {
            assert_eq!(real_path(&top.join(path)).unwrap(), top.join(real), "{path}");
        }
        assert!(real_path(Path::new("")).is_err());
    }
}
