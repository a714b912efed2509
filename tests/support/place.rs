//! A root in a folder or on a store, and processes that work on it.

use std::{
    ffi::OsStr,
    fs::File,
    io::{Read as _, Seek as _, Write as _},
    process::Command,
    time::{Duration, Instant},
};

use super::{Ran, Sandbox, fake_store::FakeStore};

/// The location of a root.
pub(crate) struct Place {
    pub(crate) sandbox: Sandbox,
    pub(crate) store: Option<FakeStore>,
}

impl Place {
    pub(crate) fn new(on_store: bool) -> Self {
        Self { sandbox: Sandbox::new(), store: on_store.then(FakeStore::start) }
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = self.sandbox.command(args);
        if let Some(store) = &self.store {
            command.envs(store.environment()).env("TALLYBOOK_ROOT", "s3://bucket/r");
            command.env("TALLYBOOK_CACHE", self.sandbox.path("cache"));
        }
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Ran {
        super::run(self.command(args), b"")
    }

    /// Runs the program with that input, and kills it after that time. `None` when it was killed.
    pub(crate) fn run_for(
        &self,
        args: &[&str],
        input: &[u8],
        dies_after: Option<Duration>,
    ) -> Option<Ran> {
        let [mut stdin, mut stdout, mut stderr] = [(); 3].map(|()| tempfile::tempfile().unwrap());
        stdin.write_all(input).unwrap();
        stdin.rewind().unwrap();
        let mut command = self.command(args);
        command.stdin(stdin).stdout(stdout.try_clone().unwrap());
        let mut child = command.stderr(stderr.try_clone().unwrap()).spawn().unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if dies_after.is_some_and(|after| begun.elapsed() >= after) {
                // This sends SIGKILL.
                drop(child.kill());
                break child.wait().unwrap();
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let (out, err) = (text_of(&mut stdout), text_of(&mut stderr));
        status.code().map(|code| Ran { code, out, err })
    }
}

fn text_of(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
