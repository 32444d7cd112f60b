//! Every order in which threads can take the lock (loom tries them all): no order overspends, refuses
//! what fits, or leaks.

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::{ask, budget, put, scope, settle, stands};
use crate::book::Book;

fn shared(cap: i64) -> Arc<Mutex<Book>> {
    let mut book = Book::default();
    put(&mut book, &budget("one", "a", cap));
    put(&mut book, &budget("two", "b", cap + 1));
    Arc::new(Mutex::new(book))
}

#[test]
fn threads_never_pass_the_cap_together() {
    loom::model(|| {
        let book = shared(10);
        let callers: Vec<_> = [4, 4, 4]
            .into_iter()
            .enumerate()
            .map(|(number, worst)| {
                let book = Arc::clone(&book);
                thread::spawn(move || {
                    let scopes = [scope("a"), scope("b")];
                    let reserved = {
                        let mut book = book.lock().expect("not poisoned");
                        let before = stands(&mut book, "one");
                        let reserved = book.reserve(&ask(&scopes, worst), 0);
                        let fits = before.0 + before.1 + i128::from(worst) <= 10;
                        assert_eq!(reserved.is_ok(), fits);
                        reserved
                    };
                    let Ok(ticket) = reserved else { return 0 };
                    let mut book = book.lock().expect("not poisoned");
                    let (spent, held) = stands(&mut book, "one");
                    assert!(spent + held <= 10);
                    if number == 0 {
                        assert!(book.release(ticket));
                        return 0;
                    }
                    assert!(settle(&mut book, ticket, &scopes, 3));
                    3
                })
            })
            .collect();
        let spent: i128 = callers.into_iter().map(|caller| caller.join().expect("ended")).sum();
        let mut book = book.lock().expect("not poisoned");
        assert_eq!(stands(&mut book, "one"), (spent, 0));
        assert_eq!(stands(&mut book, "two"), (spent, 0));
        assert_eq!(book.open_tickets(), 0);
    });
}

#[test]
fn settling_racing_with_the_end_of_the_lease_books_once() {
    loom::model(|| {
        let book = shared(10);
        let scopes = [scope("a"), scope("b")];
        let ticket =
            book.lock().expect("not poisoned").reserve(&ask(&scopes, 10), 0).expect("fits");
        let sweeper = {
            let book = Arc::clone(&book);
            thread::spawn(move || {
                book.lock().expect("not poisoned").expire(u64::MAX);
            })
        };
        let rival = {
            let book = Arc::clone(&book);
            thread::spawn(move || {
                let scopes = [scope("a"), scope("b")];
                settle(&mut book.lock().expect("not poisoned"), ticket, &scopes, 7)
            })
        };
        let mine = settle(&mut book.lock().expect("not poisoned"), ticket, &scopes, 7);
        sweeper.join().expect("ended");
        assert!(mine ^ rival.join().expect("ended"), "exactly one settlement counts");
        let mut book = book.lock().expect("not poisoned");
        assert_eq!(stands(&mut book, "one"), (7, 0));
        assert_eq!((book.open_tickets(), book.totals().settled), (0, 1));
    });
}
