//! Goal: the five protocols between threads hold under C11's memory model, also where a processor is weaker than x86, and each of
//! their orders is needed.
//! Method: each is restated in the few words that two threads share.  loom runs every interleaving and every value that a load may
//! return; then it does so again with one order weakened or one step left out, and has to find what breaks.
//!
//! Run by `./dev protocols`.  The C that is restated is named at each; who changes an order there changes it here.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{fence, AtomicUsize, Ordering};
use loom::sync::Arc;
use loom::thread;
use std::panic;
use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// A plain word, which no two threads may use at once unless both read.
struct Plain(UnsafeCell<usize>);
unsafe impl Sync for Plain {}

impl Plain {
    fn new(value: usize) -> Plain {
        Plain(UnsafeCell::new(value))
    }
    fn get(&self) -> usize {
        self.0.with(|p| unsafe { *p })
    }
    fn set(&self, value: usize) {
        self.0.with_mut(|p| unsafe { *p = value })
    }
}

/// index/vec.h V2, index/publish.h P1 and P2: an item, then the length, then the word.  Who sees a word finds at least so many items,
/// and each of them whole.
fn publish(length_store: Ordering, word_store: Ordering, word_load: Ordering) {
    struct Shared {
        items: [Plain; 2],
        length: AtomicUsize,
        word: AtomicUsize,
    }
    let s = Arc::new(Shared { items: [Plain::new(0), Plain::new(0)], length: AtomicUsize::new(0), word: AtomicUsize::new(0) });
    let of_writer = s.clone();
    let writer = thread::spawn(move || {
        for i in 0..2 {
            of_writer.items[i].set(i + 1);
            of_writer.length.store(i + 1, length_store);
            of_writer.word.store(i + 1, word_store);
        }
    });
    let word = s.word.load(word_load);
    let length = s.length.load(Acquire);
    assert!(length >= word, "the word says {word}, there are {length}");
    for i in 0..length {
        assert_eq!(s.items[i].get(), i + 1);
    }
    writer.join().unwrap();
}

/// index/vec.h V2 and V3: a full directory is copied, the copy published, a segment added, then the length stored.
fn grow(directory_store: Ordering, is_length_first: bool) {
    struct Shared {
        directories: [[Plain; 2]; 2],
        directory: AtomicUsize,
        length: AtomicUsize,
    }
    let s = Arc::new(Shared {
        directories: [[Plain::new(1), Plain::new(0)], [Plain::new(0), Plain::new(0)]],
        directory: AtomicUsize::new(0),
        length: AtomicUsize::new(1),
    });
    let of_writer = s.clone();
    let writer = thread::spawn(move || {
        of_writer.directories[1][0].set(1);
        of_writer.directory.store(1, directory_store);
        of_writer.directories[1][1].set(2);
        of_writer.length.store(2, Release);
    });
    let mut directory = s.directory.load(Acquire);
    let length = s.length.load(Acquire);
    if is_length_first {
        directory = s.directory.load(Acquire);
    }
    for i in 0..length {
        assert_eq!(s.directories[directory][i].get(), i + 1);
    }
    writer.join().unwrap();
}

#[derive(Clone, Copy)]
struct Finding {
    enters: bool,
    takes_reference: bool,
    writer_waits: bool,
    unref: Ordering,
}

const FINDING: Finding = Finding { enters: true, takes_reference: true, writer_waits: true, unref: AcqRel };

/// base/epoch.h, shard/directory.h D2, shard_pin and bucket_unref: a reader enters, finds, takes a reference and leaves; the writer
/// lets go only when nobody who may have found it is inside.  The section is one word here, fenced as CK fences it.
fn find_and_hold(how: Finding) {
    struct Shared {
        inside: AtomicUsize,
        place: AtomicUsize,
        references: [AtomicUsize; 2],
        buckets: [Plain; 2],
    }
    fn unref(s: &Shared, i: usize, order: Ordering) {
        if s.references[i].fetch_sub(1, order) == 1 {
            s.buckets[i].set(99); // freed
        }
    }
    let s = Arc::new(Shared {
        inside: AtomicUsize::new(0),
        place: AtomicUsize::new(0),
        references: [AtomicUsize::new(1), AtomicUsize::new(1)],
        buckets: [Plain::new(0), Plain::new(1)],
    });
    let of_writer = s.clone();
    let writer = thread::spawn(move || {
        of_writer.place.store(1, Release);
        fence(SeqCst);
        while how.writer_waits && of_writer.inside.load(Acquire) != 0 {
            thread::yield_now();
        }
        unref(&of_writer, 0, how.unref);
    });
    if how.enters {
        s.inside.store(1, Relaxed);
        fence(SeqCst);
    }
    let i = s.place.load(Acquire);
    if how.takes_reference {
        s.references[i].fetch_add(1, Relaxed);
    }
    if how.enters {
        s.inside.store(0, Release);
    }
    assert_eq!(s.buckets[i].get(), i);
    if how.takes_reference {
        unref(&s, i, how.unref);
    }
    writer.join().unwrap();
}

/// shard/directory.h D1: a row is filled, with the sealed bucket in the live one's place, and then published; never changed.
fn swap(row_store: Ordering, is_in_place: bool) {
    struct Shared {
        rows: [[Plain; 2]; 2],
        row: AtomicUsize,
    }
    let s = Arc::new(Shared { rows: [[Plain::new(1), Plain::new(2)], [Plain::new(0), Plain::new(0)]], row: AtomicUsize::new(0) });
    let of_writer = s.clone();
    let writer = thread::spawn(move || {
        let to = if is_in_place { 0 } else { 1 };
        of_writer.rows[to][0].set(11);
        of_writer.rows[to][1].set(2);
        of_writer.row.store(to, row_store);
    });
    let row = &s.rows[s.row.load(Acquire)];
    assert!([1, 11].contains(&row[0].get()) && row[1].get() == 2);
    writer.join().unwrap();
}

/// index/shared_table.h T1 and T2: one table of one slot is full, so another is filled and published; then an item is made and put in.
/// Who looks finds what was there when he began, and may follow what he finds.
fn probe(slot_store: Ordering, table_store: Ordering, is_filled_first: bool) {
    struct Shared {
        items: [Plain; 2],
        tables: [[AtomicUsize; 2]; 2],
        table: AtomicUsize,
    }
    fn slots(first: usize) -> [AtomicUsize; 2] {
        [AtomicUsize::new(first), AtomicUsize::new(0)]
    }
    let s = Arc::new(Shared { items: [Plain::new(1), Plain::new(0)], tables: [slots(1), slots(0)], table: AtomicUsize::new(0) });
    let of_writer = s.clone();
    let writer = thread::spawn(move || {
        let grown = &of_writer.tables[1];
        if is_filled_first {
            grown[0].store(1, slot_store);
        }
        of_writer.table.store(1, table_store);
        if !is_filled_first {
            grown[0].store(1, slot_store);
        }
        of_writer.items[1].set(2);
        grown[1].store(2, slot_store);
    });
    let table = &s.tables[s.table.load(Acquire)];
    assert_eq!(table[0].load(Acquire), 1, "what was there is not found");
    if table[1].load(Acquire) == 2 {
        assert_eq!(s.items[1].get(), 2);
    }
    writer.join().unwrap();
}

/// Whether it is as it should be.
fn check(name: &str, is_to_hold: bool, protocol: impl Fn() + Sync + Send + panic::UnwindSafe + 'static) -> bool {
    let found = panic::catch_unwind(|| loom::model(protocol)).err();
    let word = found.as_ref().map(|e| match (e.downcast_ref::<String>(), e.downcast_ref::<&str>()) {
        (Some(text), _) => text.lines().next().unwrap_or("").to_string(),
        (_, Some(text)) => text.to_string(),
        _ => String::new(),
    });
    let is_right = found.is_none() == is_to_hold;
    let verdict = if is_right { "" } else { "  NOT AS IT SHOULD BE" };
    println!("{name:44} {}{verdict}", word.unwrap_or("holds".into()));
    is_right
}

fn main() {
    panic::set_hook(Box::new(|_| ()));
    let all = [
        check("publish", true, || publish(Release, Release, Acquire)),
        check("publish: length stored relaxed", false, || publish(Relaxed, Release, Acquire)),
        check("publish: word stored relaxed", false, || publish(Release, Relaxed, Acquire)),
        check("publish: word loaded relaxed", false, || publish(Release, Release, Relaxed)),
        check("grow", true, || grow(Release, true)),
        check("grow: directory stored relaxed", false, || grow(Relaxed, true)),
        check("grow: directory loaded before the length", false, || grow(Release, false)),
        check("probe", true, || probe(Release, Release, true)),
        check("probe: slot stored relaxed", false, || probe(Relaxed, Release, true)),
        check("probe: table stored relaxed", false, || probe(Release, Relaxed, true)),
        check("probe: table published before it is filled", false, || probe(Release, Release, false)),
        check("find and hold", true, || find_and_hold(FINDING)),
        check("find and hold: not inside a section", false, || find_and_hold(Finding { enters: false, ..FINDING })),
        check("find and hold: no reference", false, || find_and_hold(Finding { takes_reference: false, ..FINDING })),
        check("find and hold: let go at once", false, || find_and_hold(Finding { writer_waits: false, ..FINDING })),
        check("find and hold: reference dropped relaxed", false, || find_and_hold(Finding { unref: Relaxed, ..FINDING })),
        check("swap", true, || swap(Release, false)),
        check("swap: row stored relaxed", false, || swap(Relaxed, false)),
        check("swap: in place", false, || swap(Release, true)),
    ];
    std::process::exit(all.contains(&false) as i32);
}
