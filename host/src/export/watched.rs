//! What is made from files, and made anew when they change: a client with its certificates and tokens. Files are looked
//! at whenever it is used, so that nothing has to run in between and what changed holds from the next use on. Whoever
//! uses the one that was made before keeps it until he is done. One that has gone bad can be replaced at any time.

use super::ConnectError;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A value, and the files that it was made from.
pub(super) struct Watched<T> {
    files: Vec<PathBuf>,
    make: Box<dyn Fn() -> Result<T, ConnectError> + Send + Sync>,
    /// How the files were when they were last read. Locked while a value is made.
    seen: Mutex<Vec<Option<Stamp>>>,
    /// Locked for moments.
    latest: Mutex<Latest<T>>,
}

/// The value that was made last.
pub(super) struct Latest<T> {
    pub(super) value: Arc<T>,
    /// Why the files as they are now make none.
    pub(super) trouble: Option<String>,
}

/// What changes with a file; a link stands for what it leads to, as in the folders that Kubernetes mounts.
#[derive(PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), trouble: self.trouble.clone() }
    }
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Makes the first value.
    pub(super) fn new(
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<T, ConnectError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, ConnectError> {
        // Looked at before they are read: what changes in between is seen the next time.
        let seen = Mutex::new(files.iter().map(|path| Stamp::of(path)).collect());
        let latest = Mutex::new(Latest { value: Arc::new(make()?), trouble: None });
        Ok(Arc::new(Self { files, make: Box::new(make), seen, latest }))
    }

    /// The value of the files as they are now, or the last one that could be made.
    pub(super) async fn latest(self: &Arc<Self>) -> Latest<T> {
        if !self.files.is_empty() {
            let watched = Arc::clone(self);
            // Fails only when everything ends.
            let _looked = tokio::task::spawn_blocking(move || watched.look()).await;
        }
        lock(&self.latest).clone()
    }

    /// Makes another value in place of this one, unless that was done before. While the files make none, it stays.
    pub(super) async fn replace(self: &Arc<Self>, value: Arc<T>) {
        let watched = Arc::clone(self);
        // Fails only when everything ends.
        let _replaced = tokio::task::spawn_blocking(move || watched.make_in_place_of(&value)).await;
    }

    fn make_in_place_of(&self, value: &Arc<T>) {
        let _one_at_a_time = lock(&self.seen);
        if !Arc::ptr_eq(&lock(&self.latest).value, value) {
            return;
        }
        // What keeps the files from being used is told when they are looked at.
        if let Ok(another) = (self.make)() {
            lock(&self.latest).value = Arc::new(another);
        }
    }

    fn look(&self) {
        let mut seen = lock(&self.seen);
        let now: Vec<_> = self.files.iter().map(|path| Stamp::of(path)).collect();
        if *seen == now {
            return;
        }
        *seen = now;
        match (self.make)() {
            Ok(value) => {
                *lock(&self.latest) = Latest { value: Arc::new(value), trouble: None };
                tracing::info!("certificates, keys or tokens changed and are used from now on");
            }
            Err(error) => {
                let (endpoint, reason) = (error.endpoint, error.reason);
                tracing::warn!(
                    endpoint,
                    reason,
                    "certificates, keys or tokens changed and cannot be used; the last ones stay in use"
                );
                lock(&self.latest).trouble = Some(reason);
            }
        }
    }
}

impl Stamp {
    /// None where there is no file.
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Makes a text of a file that holds one.
    fn watched(path: &Path) -> Arc<Watched<String>> {
        let file = path.to_owned();
        let make = move || match fs::read_to_string(&file) {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => Err(ConnectError { endpoint: "here".to_owned(), reason: "file: empty".to_owned() }),
        };
        Watched::new(vec![path.to_owned()], make).expect("the file is good")
    }

    #[tokio::test]
    async fn a_file_that_changed_makes_a_new_value_and_the_old_one_lives_as_long_as_it_is_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "one").expect("it is written");
        let watched = watched(&path);
        let first = watched.latest().await.value;
        assert!(Arc::ptr_eq(&first, &watched.latest().await.value), "nothing changed");
        fs::write(&path, "another").expect("it is written");
        assert_eq!((watched.latest().await.value.as_str(), first.as_str()), ("another", "one"));
    }

    #[tokio::test]
    async fn a_link_that_leads_elsewhere_is_a_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let [link, new_link, one, two] = ["link", "new", "1", "2"].map(|name| folder.path().join(name));
        fs::write(&one, "one").expect("it is written");
        fs::write(&two, "two").expect("it is written");
        symlink(&one, &link).expect("a link");
        let watched = watched(&link);
        symlink(&two, &new_link).expect("a link");
        fs::rename(&new_link, &link).expect("it takes the place of the other");
        assert_eq!(watched.latest().await.value.as_str(), "two");
    }

    #[tokio::test]
    async fn a_value_is_replaced_once_however_many_ask_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "one").expect("it is written");
        let watched = watched(&path);
        let first = watched.latest().await.value;
        watched.replace(Arc::clone(&first)).await;
        let second = watched.latest().await.value;
        assert!(!Arc::ptr_eq(&first, &second));
        watched.replace(first).await;
        assert!(Arc::ptr_eq(&second, &watched.latest().await.value));
        fs::remove_file(&path).expect("the folder is ours");
        watched.replace(Arc::clone(&second)).await;
        assert!(Arc::ptr_eq(&second, &watched.latest().await.value), "nothing else can be made");
    }

    #[tokio::test]
    async fn while_a_file_cannot_be_used_the_last_value_stays_and_the_reason_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "one").expect("it is written");
        let watched = watched(&path);
        for broken in [true, false] {
            if broken { fs::write(&path, "") } else { fs::remove_file(&path) }.expect("the folder is ours");
            let latest = watched.latest().await;
            assert_eq!((latest.value.as_str(), latest.trouble.as_deref()), ("one", Some("file: empty")));
        }
        fs::write(&path, "two").expect("it is written");
        let latest = watched.latest().await;
        assert_eq!((latest.value.as_str(), latest.trouble), ("two", None));
    }
}
