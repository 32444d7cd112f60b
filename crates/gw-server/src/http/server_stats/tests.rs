use super::{Memory, memory, uptime};

#[test]
fn uptime_leaves_out_zero_parts() {
    let check = |seconds: u64, expected: &str| assert_eq!(uptime(seconds), expected);
    check(0, "0s");
    check(59, "59s");
    check(60, "1m");
    check(3_600, "1h");
    check(86_400, "1d");
    check(90_061, "1d 1h 1m 1s");
    check(86_401, "1d 1s");
}

#[test]
fn memory_is_the_kernels_word_or_nothing() {
    let status =
        "Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t1024 kB\nRssFile:\t 512 kB\nVmData:\t 4096 kB\n";
    let found = memory(status);
    assert_eq!(found.rss, Some(2.0));
    assert_eq!(found.heap_used, Some(1.0));
    assert_eq!(found.external, Some(0.5));
    assert_eq!(found.heap_total, Some(4.0));
    assert_eq!(memory(""), Memory { unit: "MB", ..Memory::default() });
}
