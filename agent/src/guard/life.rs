//! The sign of life of the thread that elects: a robust mutex in memory that agent and guard share.
//!
//! The thread holds it as long as it lives, and the guard waits for it. When a thread dies, however it dies, the kernel
//! gives up its robust mutexes among the first things, before the process's memory, files and sockets are taken down.
//! That takes some ten milliseconds, after which a pidfd would tell.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

use nix::errno::Errno;
use nix::libc;

/// In shared memory; all zero before [`Life::init`].
#[repr(transparent)]
pub(super) struct Life(UnsafeCell<libc::pthread_mutex_t>);

impl Life {
    /// Makes it, once, before anybody else sees it.
    pub(super) fn init(&self) -> Result<(), Errno> {
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the attributes are initialised by the first call and destroyed by the last; the mutex is ours alone.
        unsafe {
            check(libc::pthread_mutexattr_init(attributes))?;
            let made = check(libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED))
                .and_then(|()| {
                    check(libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST))
                })
                .and_then(|()| check(libc::pthread_mutex_init(self.0.get(), attributes)));
            libc::pthread_mutexattr_destroy(attributes);
            made
        }
    }

    /// The calling thread lives. Nobody else may have said so of itself.
    pub(super) fn begin(&self) -> Result<(), Errno> {
        // SAFETY: initialised, and in memory that outlives the thread or the call of `end`.
        check(unsafe { libc::pthread_mutex_lock(self.0.get()) })
    }

    /// The calling thread, which has begun, takes leave.
    pub(super) fn end(&self) {
        // SAFETY: initialised, and held by this thread. What an unlock can refuse is a thread that does not hold it.
        let _ = unsafe { libc::pthread_mutex_unlock(self.0.get()) };
    }

    /// Waits until the thread that has begun is no more, or has taken leave. At once if there is none.
    pub(super) fn outlive(&self) {
        // SAFETY: initialised by the process that shared it.
        // Whatever comes back (the owner died, or another guard found that before) says that nobody lives.
        let _ = unsafe { libc::pthread_mutex_lock(self.0.get()) };
    }
}

fn check(result: libc::c_int) -> Result<(), Errno> {
    match result {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno)),
    }
}
