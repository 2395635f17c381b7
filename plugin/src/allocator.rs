//! The allocator of the component: takes memory from the front to the back, and takes it back all at once when the host has
//! read what a call returned.
//!
//! Most of what a call allocates is its result; to manage the rest would cost more than it saves. A batch that needs more
//! memory than the host allows is run again record by record, each with a memory of its own.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

const PAGE: usize = 65_536;

#[expect(unsafe_code, reason = "a symbol of the linker's; only its address is taken")]
unsafe extern "C" {
    /// Where the program's own data ends.
    static __heap_base: u8;
}

#[global_allocator]
static FRONT_TO_BACK: FrontToBack = FrontToBack { next: Cell::new(0), end: Cell::new(0), kept: Cell::new(0) };

struct FrontToBack {
    /// Where the free memory begins.
    next: Cell<usize>,
    /// Where it ends; 0 before the first allocation.
    end: Cell<usize>,
    /// Where what is kept between calls ends; 0 before that is known.
    kept: Cell<usize>,
}

/// What was allocated until now is kept between calls.
pub(crate) fn keep() {
    FRONT_TO_BACK.kept.set(FRONT_TO_BACK.next.get());
}

/// Takes back what was allocated since.
///
/// # Safety
/// Nothing that was allocated since [`keep`] is in use.
#[expect(unsafe_code, reason = "whoever calls it has to know that nothing is in use")]
pub(crate) unsafe fn take_back() {
    if FRONT_TO_BACK.kept.get() != 0 {
        FRONT_TO_BACK.next.set(FRONT_TO_BACK.kept.get());
    }
}

#[expect(unsafe_code, reason = "shared with nobody: the component is compiled without threads")]
// SAFETY: there is one thread.
unsafe impl Sync for FrontToBack {}

impl FrontToBack {
    /// Makes room for this many bytes from `start` on; false when the memory cannot grow.
    fn grow(&self, start: usize, size: usize) -> bool {
        let Some(end) = start.checked_add(size) else { return false };
        if end <= self.end.get() {
            return true;
        }
        // The memory grows by a quarter at least, so that growing stays rare.
        let pages = core::arch::wasm32::memory_size(0);
        let missing = (end - self.end.get()).div_ceil(PAGE).max(pages / 4);
        let before = core::arch::wasm32::memory_grow(0, missing);
        if before == usize::MAX {
            return false;
        }
        self.end.set((before + missing) * PAGE);
        true
    }

    /// Where a block of this alignment can begin.
    fn aligned(&self, alignment: usize) -> usize {
        // It is a power of two, which the compiler does not know here: it would divide.
        self.next.get().saturating_add(alignment - 1) & !(alignment - 1)
    }

    /// The rare allocation for which the memory grows, or is looked at for the first time.
    #[cold]
    #[inline(never)]
    fn alloc_more(&self, layout: Layout) -> *mut u8 {
        if self.end.get() == 0 {
            self.next.set(&raw const __heap_base as usize);
            self.end.set(core::arch::wasm32::memory_size(0) * PAGE);
        }
        let start = self.aligned(layout.align());
        if !self.grow(start, layout.size()) {
            return core::ptr::null_mut();
        }
        self.next.set(start + layout.size());
        start as *mut u8
    }
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every block lies behind the one before it, in memory that was grown for it.
unsafe impl GlobalAlloc for FrontToBack {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.aligned(layout.align());
        let end = start.saturating_add(layout.size());
        if end > self.end.get() {
            return self.alloc_more(layout);
        }
        self.next.set(end);
        start as *mut u8
    }

    unsafe fn dealloc(&self, _pointer: *mut u8, _layout: Layout) {}

    #[inline(never)]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = pointer as usize;
        // The last block is resized where it lies, and so is any block that shrinks.
        if start + layout.size() == self.next.get() {
            if !self.grow(start, size) {
                return core::ptr::null_mut();
            }
            self.next.set(start + size);
            return pointer;
        }
        if size <= layout.size() {
            return pointer;
        }
        // SAFETY: the caller's promises; the new block is as large as what is copied, and lies behind the old one.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                core::ptr::copy_nonoverlapping(pointer, moved, layout.size());
            }
            moved
        }
    }
}
