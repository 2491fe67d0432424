//! What no safe interface offers.

use std::mem::MaybeUninit;
use std::ptr;

/// Whether the process was started with `signal` ignored, as `nohup` and background jobs are.
pub(super) fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: no new action is given, so nothing changes; `action` is valid for the answer.
    let asked = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: the call has succeeded, so it has filled `action`.
    asked == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

/// Gives the memory of this program's code and constants back, where the system tells where they lie
/// (proc_pid_maps(5)). What is used again comes back from the file.
pub(super) fn forget_code() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    // What is read-only and does not begin the file was written to, by whoever relocated it.
    let same = |line: &&str| line.contains(" r-xp ") || line.contains(" r--p 00000000 ");
    let files = maps.lines().filter(same).filter(|line| line.contains(" /"));
    for (begin, end) in files.filter_map(range) {
        // SAFETY: pages of a file that nobody can write to by this mapping are the same when they
        // come back.
        unsafe {
            libc::madvise(ptr::without_provenance_mut(begin), end - begin, libc::MADV_DONTNEED)
        };
    }
}

/// The addresses that a line of the maps begins with.
fn range(line: &str) -> Option<(usize, usize)> {
    let (begin, end) = line.split_once(' ')?.0.split_once('-')?;
    Some((usize::from_str_radix(begin, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

/// Closes every descriptor beyond standard error. Only for a process that has just begun.
pub(super) fn close_all_but_standard() {
    let Ok(open) = std::fs::read_dir("/dev/fd") else { return };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let all: Vec<i32> = open.flatten().filter_map(number).filter(|number| *number > 2).collect();
    for number in all {
        // SAFETY: nothing here owns a descriptor yet; the listing's own is closed already.
        unsafe { libc::close(number) };
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// How much of files this process holds, in KiB.
    fn resident() -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:"))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    }

    #[test]
    fn code_is_given_back_and_comes_again() {
        // What the looking itself takes is there before the first look that counts.
        resident();
        let before = resident().expect("the kernel tells");
        forget_code();
        let after = resident().expect("the kernel tells");
        assert!(after < before, "{before} KiB, then {after} KiB");
        assert_eq!(range("7f00-7fff r-xp 0 fe:00 1 /bin/it"), Some((0x7f00, 0x7fff)));
        assert_eq!(range("none"), None);
    }
}
