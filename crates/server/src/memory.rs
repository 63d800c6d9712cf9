//! How much memory the process uses, found in nanoseconds.
//!
//! jemalloc adds its statistics up in tens of microseconds, too slowly to ask before each request.
//! But it also counts, for each thread, what the thread ever allocated and ever freed, and the
//! difference of the two, over all threads, is what is in use. A thread's counters can only be read
//! by itself, so every thread publishes its balance in a slot from time to time (a worker after each
//! batch of requests), and whoever wants to know adds the slots up. A balance may well be negative:
//! one thread frees what another allocated.
//!
//! What a thread did since it last published is missing, and so is a thread that never publishes;
//! those are the ones that do nothing worth counting.

use std::cell::RefCell;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// Threads with a slot of their own; those beyond share one.
const SLOTS: usize = 64;

/// On a cache line of its own, since its thread writes it all the time.
#[repr(align(128))]
struct Slot(AtomicI64);

/// The balances of all threads of the process, of which there is one allocator too.
struct Ledger {
    slots: [Slot; SLOTS],
    /// Slots that have ever been given out.
    used_slots: AtomicUsize,
    /// What threads that are gone left behind, and threads without a slot.
    others: AtomicI64,
}

static LEDGER: Ledger = Ledger {
    slots: [const { Slot(AtomicI64::new(0)) }; SLOTS],
    used_slots: AtomicUsize::new(0),
    others: AtomicI64::new(0),
};

/// Slots of threads that are gone.
static FREE_SLOTS: parking_lot::Mutex<Vec<usize>> = parking_lot::Mutex::new(Vec::new());

/// This thread's place in the ledger.
struct Account {
    slot: Option<usize>,
    published: i64,
}

impl Account {
    fn open() -> Self {
        let free = FREE_SLOTS.lock().pop();
        let slot = free.or_else(|| {
            let next = LEDGER.used_slots.fetch_add(1, Ordering::Relaxed);
            if next >= SLOTS {
                LEDGER.used_slots.fetch_sub(1, Ordering::Relaxed);
            }
            (next < SLOTS).then_some(next)
        });
        Account { slot, published: 0 }
    }

    fn publish(&mut self, balance: i64) {
        match self.slot {
            Some(slot) => LEDGER.slots[slot].0.store(balance, Ordering::Relaxed),
            None => {
                let change = balance - self.published;
                LEDGER.others.fetch_add(change, Ordering::Relaxed);
            }
        }
        self.published = balance;
    }
}

impl Drop for Account {
    /// What the thread leaves behind stays allocated when it is gone.
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            LEDGER.slots[slot].0.store(0, Ordering::Relaxed);
            LEDGER.others.fetch_add(self.published, Ordering::Relaxed);
            FREE_SLOTS.lock().push(slot);
        }
    }
}

thread_local! {
    static ACCOUNT: RefCell<Option<Account>> = const { RefCell::new(None) };
}

/// Publishes what this thread has allocated and not freed, in bytes.
#[inline]
pub fn publish(balance: i64) {
    // A thread that ends publishes no more.
    let _ = ACCOUNT.try_with(|account| {
        if let Ok(mut account) = account.try_borrow_mut() {
            account.get_or_insert_with(Account::open).publish(balance);
        }
    });
}

/// What all threads together have published, in bytes.
#[inline]
pub fn used_bytes() -> u64 {
    let used_slots = LEDGER.used_slots.load(Ordering::Relaxed).min(SLOTS);
    let slots = LEDGER.slots[..used_slots].iter();
    let sum: i64 = slots.map(|slot| slot.0.load(Ordering::Relaxed)).sum();
    let sum = sum + LEDGER.others.load(Ordering::Relaxed);
    sum.max(0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test: the ledger is the process's.
    #[test]
    fn balances_add_up_over_threads_that_come_and_go() {
        publish(1000);
        let before = used_bytes();
        publish(1500);
        assert_eq!(used_bytes(), before + 500);
        let threads: Vec<_> = (0..3 * SLOTS as i64)
            .map(|number| {
                std::thread::spawn(move || {
                    publish(7);
                    publish(number);
                    publish(10 * number - 3);
                })
            })
            .collect();
        let mut expected = before + 500;
        for (number, thread) in threads.into_iter().enumerate() {
            thread.join().expect("it does nothing that can fail");
            expected = (expected as i64 + 10 * number as i64 - 3) as u64;
        }
        assert_eq!(used_bytes(), expected);
        publish(1000);
        assert_eq!(used_bytes(), expected - 500);
    }
}
