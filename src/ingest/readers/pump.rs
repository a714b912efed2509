//! The items of a stream, one by one, on a thread that blocks for each.

use std::sync::mpsc;

use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc as asked;

/// The items of a stream. The stream runs as a task of the runtime and makes an item only when one
/// is wanted. The thread that reads runs a future itself, so it can't drive another one: the
/// runtime would never let that one go on.
pub(crate) struct Pump<T> {
    wanted: asked::UnboundedSender<()>,
    items: mpsc::Receiver<T>,
}

impl<T: Send + 'static> Pump<T> {
    /// Must be called on a thread of the runtime.
    pub(crate) fn new(stream: impl Stream<Item = T> + Send + 'static) -> Self {
        let (wanted, mut wants) = asked::unbounded_channel();
        let (made, items) = mpsc::channel();
        tokio::spawn(async move {
            let mut stream = std::pin::pin!(stream);
            while wants.recv().await.is_some() {
                let Some(item) = stream.next().await else { break };
                if made.send(item).is_err() {
                    break;
                }
            }
        });
        Self { wanted, items }
    }
}

impl<T> Iterator for Pump<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.wanted.send(()).ok()?;
        self.items.recv().ok()
    }
}
