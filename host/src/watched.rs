//! What is made from files, and made anew when they change: a client with its certificates and tokens, the secrets that
//! senders are held against. Files are looked at when it is used, so that nothing has to run in between and what changed
//! holds from the next use on. Whoever uses the one that was made before keeps it until he is done. One that has gone bad
//! can be replaced at any time.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A value, and the files that it was made from.
pub struct Watched<T> {
    /// Whose files they are, for the log.
    owner: String,
    files: Vec<PathBuf>,
    make: Box<dyn Fn() -> Result<T, String> + Send + Sync>,
    /// How the files were when they were last read. Locked while a value is made.
    seen: Mutex<Vec<Option<Stamp>>>,
    /// Locked for moments.
    latest: Mutex<Latest<T>>,
    made: Instant,
    /// When the files were last looked at, in nanoseconds since the first value was made.
    looked_after_nanos: AtomicU64,
}

/// The value that was made last.
pub struct Latest<T> {
    /// The value.
    pub value: Arc<T>,
    /// Why the files as they are now make none.
    pub trouble: Option<String>,
}

/// What changes with a file; a link stands for what it leads to, as in the folders that Kubernetes mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
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
    /// Makes the first value. The owner, an endpoint or an option, is told in the log.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new<E>(
        owner: impl Into<String>,
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, E>
    where
        E: Into<String>,
    {
        // Looked at before they are read: what changes in between is seen the next time.
        let seen = Mutex::new(files.iter().map(|path| Stamp::of(path)).collect());
        let latest = Mutex::new(Latest { value: Arc::new(make()?), trouble: None });
        let make = Box::new(move || make().map_err(Into::into));
        let (made, looked_after_nanos) = (Instant::now(), AtomicU64::new(0));
        Ok(Arc::new(Self { owner: owner.into(), files, make, seen, latest, made, looked_after_nanos }))
    }

    /// The value of the files as they are now, or the last one that could be made.
    pub async fn latest(self: &Arc<Self>) -> Latest<T> {
        if self.has_files() {
            let watched = Arc::clone(self);
            // Fails only when everything ends.
            let _looked = tokio::task::spawn_blocking(move || watched.look()).await;
        }
        lock(&self.latest).clone()
    }

    /// Makes another value in place of this one, unless that was done before. While the files make none, it stays.
    pub async fn replace(self: &Arc<Self>, value: Arc<T>) {
        let watched = Arc::clone(self);
        // Fails only when everything ends.
        let _replaced = tokio::task::spawn_blocking(move || watched.make_in_place_of(&value)).await;
    }

    /// The value of the files as they were no longer ago than this, for what is used so often that a look at the files
    /// each time would cost more than the use.
    pub async fn recent(self: &Arc<Self>, age: Duration) -> Arc<T> {
        if self.has_files() && self.is_turn_to_look(age) {
            return self.latest().await.value;
        }
        Arc::clone(&lock(&self.latest).value)
    }

    /// Whether there is anything that may change.
    #[must_use]
    pub fn has_files(&self) -> bool {
        !self.files.is_empty()
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

    /// Of many who use it at once one looks, and the others go on.
    fn is_turn_to_look(&self, age: Duration) -> bool {
        let now = u64::try_from(self.made.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let looked = self.looked_after_nanos.load(Ordering::Relaxed);
        let is_old = u128::from(now.saturating_sub(looked)) >= age.as_nanos();
        // One that is not old stays as it is: else it would never become so where it is used all the time.
        is_old && self.looked_after_nanos.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
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
                tracing::info!(of = self.owner, "certificates, keys or tokens changed and are used from now on");
            }
            Err(reason) => {
                tracing::warn!(
                    of = self.owner,
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
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
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
            _ => Err("file: empty".to_owned()),
        };
        Watched::new("here", vec![path.to_owned()], make).expect("the file is good")
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
    async fn files_that_were_looked_at_a_moment_ago_are_left_alone() {
        const FOR_EVER: Duration = Duration::from_secs(1_000_000);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "one").expect("it is written");
        let watched = watched(&path);
        fs::write(&path, "another").expect("it is written");
        assert_eq!(watched.recent(FOR_EVER).await.as_str(), "one");
        assert_eq!(watched.recent(Duration::ZERO).await.as_str(), "another");
    }

    /// However often it is used in between: nobody's use puts the next look off.
    #[tokio::test]
    async fn files_that_are_used_all_the_time_are_looked_at_all_the_same() {
        const MOMENT: Duration = Duration::from_millis(20);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "one").expect("it is written");
        let watched = watched(&path);
        fs::write(&path, "another").expect("it is written");
        let given_up = Instant::now() + 500 * MOMENT;
        while watched.recent(MOMENT).await.as_str() != "another" {
            assert!(Instant::now() < given_up, "nobody looks");
        }
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
