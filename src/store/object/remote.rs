//! Opens object stores by URL: one builder for each store, options by their usual names. Unknown
//! options are ignored.

use std::sync::Arc;

use object_store::{ObjectStore, list::PaginatedListStore, path::Path};
use url::Url;

use crate::{
    base::{Error, Result, Settings},
    store::object::location::check_no_secret,
};

type Opened = object_store::Result<(Arc<dyn ObjectStore>, Arc<dyn PaginatedListStore>)>;

/// A store, and a path inside it.
pub(crate) struct Remote {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The store again, as one that lists by page.
    pub(crate) pages: Arc<dyn PaginatedListStore>,
    pub(crate) prefix: Path,
}

/// The store of a URL, and the path inside it.
///
/// # Errors
/// `Invalid` when no store can be built from the URL and the options, or an endpoint's URL may
/// contain a secret.
pub(crate) fn open(location: &str, url: &Url, settings: &Settings) -> Result<Remote> {
    let prefix = Path::from_url_path(url.path())
        .map_err(|error| Error::invalid(format!("root `{location}`: {error}")))?;
    for (name, value) in &settings.store_options {
        let endpoint = Url::parse(value).ok().filter(|_| name.contains("endpoint"));
        if let Some(endpoint) = endpoint {
            check_no_secret(&endpoint, false, &format!("the URL in {}", name.to_uppercase()))?;
        }
    }
    let opened = by_scheme(url, settings).ok_or_else(|| {
        Error::invalid(format!(
            "root `{location}`: no store for `{}://`; use a folder, s3://, gs:// or az://",
            url.scheme()
        ))
    })?;
    let (store, pages) = opened.map_err(|error| {
        Error::invalid(format!("root `{location}`: {error}")).with_source(error)
    })?;
    Ok(Remote { store, pages, prefix })
}

#[cfg_attr(
    not(any(feature = "s3", feature = "gcs", feature = "azure")),
    expect(unused_variables, reason = "no store is built in")
)]
fn by_scheme(url: &Url, settings: &Settings) -> Option<Opened> {
    match url.scheme() {
        #[cfg(feature = "s3")]
        "s3" | "s3a" => Some(s3(url, settings)),
        #[cfg(feature = "gcs")]
        "gs" => Some(gcs(url, settings)),
        #[cfg(feature = "azure")]
        "az" | "azure" | "abfs" | "abfss" => Some(azure(url, settings)),
        _ => None,
    }
}

#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
fn retry(settings: &Settings) -> object_store::RetryConfig {
    use std::time::Duration;
    object_store::RetryConfig {
        backoff: object_store::BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 10,
        retry_timeout: Duration::from_secs(settings.retry_timeout_s),
    }
}

#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
macro_rules! opener {
    ($name:ident, $builder:path) => {
        fn $name(url: &Url, settings: &Settings) -> Opened {
            use $builder as Builder;
            let builder = Builder::new().with_url(url.as_str()).with_retry(retry(settings));
            let options = settings.store_options.iter();
            let builder = options.fold(builder, |builder, (key, value)| match key.parse() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            });
            let built = Arc::new(builder.build()?);
            Ok((Arc::clone(&built) as Arc<dyn ObjectStore>, built))
        }
    };
}

#[cfg(feature = "s3")]
opener!(s3, object_store::aws::AmazonS3Builder);
#[cfg(feature = "gcs")]
opener!(gcs, object_store::gcp::GoogleCloudStorageBuilder);
#[cfg(feature = "azure")]
opener!(azure, object_store::azure::MicrosoftAzureBuilder);
