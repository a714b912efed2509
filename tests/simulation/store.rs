//! A store in simulated time: every call takes a while, drawn from a seed, before and after it takes
//! effect, so that actors interleave anywhere; and some fail, lose their answers, or list what was
//! there before.
//!
//! With the runtime's clock paused, time passes only when nobody can go on, so the order of all calls
//! follows from the seed.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tallybook::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    memory::InMemory, path::Path,
};

/// What can happen to a call, and how often it did.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) failed: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) stale: AtomicU64,
}

/// The objects that all actors share.
#[derive(Debug, Default)]
pub(crate) struct SimulatedObjects {
    objects: InMemory,
    /// Listings of some time ago, by prefix.
    listed: Mutex<Vec<(String, Vec<ObjectMeta>)>>,
}

/// What happens to which share of calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trouble {
    /// They fail, or their answers are lost.
    pub(crate) errors: f64,
    /// Listings show what was there when somebody last listed the same. No store that is used today
    /// does; on one that did, answers could lag.
    pub(crate) stale: f64,
}

/// The store as one actor reaches it.
#[derive(Clone)]
pub(crate) struct SimulatedStore {
    shared: Arc<SimulatedObjects>,
    random: Arc<Mutex<ChaCha8Rng>>,
    trouble: Trouble,
    faults: Arc<Faults>,
}

impl SimulatedStore {
    pub(crate) fn new(
        shared: &Arc<SimulatedObjects>,
        seed: u64,
        trouble: Trouble,
        faults: &Arc<Faults>,
    ) -> Self {
        let random = Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed)));
        Self { shared: Arc::clone(shared), random, trouble, faults: Arc::clone(faults) }
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut ChaCha8Rng) -> T) -> T {
        draw(&mut self.random.lock().unwrap())
    }

    /// Mostly a moment, sometimes the time of a whole job of another actor.
    async fn pass_time(&self) {
        let micros = self.draw(|random| {
            let most = if random.random_bool(0.05) { 60_000 } else { 2000 };
            random.random_range(1..most)
        });
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }

    fn happens(&self, share: f64) -> bool {
        share > 0.0 && self.draw(|random| random.random_bool(share))
    }

    /// A call that may fail before it takes effect, or after.
    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.pass_time().await;
        let error = || Error::Generic { store: "simulated", source: "out of order".into() };
        if self.happens(self.trouble.errors) {
            self.faults.failed.fetch_add(1, Ordering::Relaxed);
            return Err(error());
        }
        let done = call.await;
        self.pass_time().await;
        if self.happens(self.trouble.errors) {
            self.faults.lost.fetch_add(1, Ordering::Relaxed);
            return Err(error());
        }
        done
    }

    /// What is there, or what was there when somebody listed the same before.
    async fn list_all(&self, prefix: Option<Path>) -> Result<Vec<ObjectMeta>> {
        let listed = self
            .call(async { self.shared.objects.list(prefix.as_ref()).try_collect::<Vec<_>>().await })
            .await?;
        let name = prefix.map(|prefix| prefix.to_string()).unwrap_or_default();
        let mut before = self.shared.listed.lock().unwrap();
        let known = before.iter().position(|(known, _)| *known == name);
        if let Some(known) = known
            && self.happens(self.trouble.stale)
        {
            self.faults.stale.fetch_add(1, Ordering::Relaxed);
            return Ok(before[known].1.clone());
        }
        match known {
            // What is kept is as old as a store may lag: from one listing to the next.
            Some(known) => before[known].1.clone_from(&listed),
            None => before.push((name, listed.clone())),
        }
        Ok(listed)
    }
}

impl fmt::Debug for SimulatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedStore")
    }
}

impl fmt::Display for SimulatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}

#[async_trait::async_trait]
impl ObjectStore for SimulatedStore {
    async fn put_opts(&self, at: &Path, what: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.call(self.shared.objects.put_opts(at, what, how)).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.call(self.shared.objects.put_multipart_opts(at, how)).await
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        self.call(self.shared.objects.get_opts(at, how)).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.call(self.shared.objects.get_ranges(at, ranges)).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let deleted = paths.then(move |path| {
            let store = store.clone();
            async move {
                let path = path?;
                let one = futures::stream::once(std::future::ready(Ok(path.clone()))).boxed();
                let delete = store.shared.objects.delete_stream(one).try_collect::<Vec<_>>();
                store.call(delete).await.map(|_| path)
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            let files = store.list_all(prefix).await?;
            Ok::<_, Error>(futures::stream::iter(files.into_iter().map(Ok)))
        };
        futures::stream::once(listed).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.call(self.shared.objects.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.call(self.shared.objects.copy_opts(from, to, how)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, how: RenameOptions) -> Result<()> {
        self.call(self.shared.objects.rename_opts(from, to, how)).await
    }
}
