//! HTTP dates (RFC 9110 5.6.7): written in the one form, read in all three. Seconds since 1970, proleptic Gregorian.

/// Bytes of a date as it is written.
pub const DATE_BYTES: usize = 29;

/// The first second that is no longer written: the year 10000 has a digit too many.
pub const END_S: i64 = 253_402_300_800;

/// A clock that shows an earlier year was never set (2020-01-01): such a server sends no `Date` (RFC 9110 6.6.1).
pub const PLAUSIBLE_S: i64 = 1_577_836_800;

const DAY_S: i64 = 86_400;
const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const DAYS_IN_FULL: [&[u8]; 7] = [b"Thursday", b"Friday", b"Saturday", b"Sunday", b"Monday", b"Tuesday", b"Wednesday"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// `Sun, 06 Nov 1994 08:49:37 GMT`; `None` before 1970 and after 9999.
pub fn write(unix_s: i64) -> Option<[u8; DATE_BYTES]> {
    if !(0..END_S).contains(&unix_s) {
        return None;
    }
    let (days, second) = ((unix_s / DAY_S) as u32, (unix_s % DAY_S) as u32);
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    put(&mut text, 0, *DAYS.get(days as usize % 7)?);
    put(&mut text, 5, &two(day));
    put(&mut text, 8, *MONTHS.get((month as usize).wrapping_sub(1))?);
    put(&mut text, 12, &two(year / 100));
    put(&mut text, 14, &two(year % 100));
    put(&mut text, 17, &two(second / 3600));
    put(&mut text, 20, &two(second / 60 % 60));
    put(&mut text, 23, &two(second % 60));
    Some(text)
}

/// Reads any of the three forms; `now_s` decides which century two digits of a year mean.
pub fn parse(text: &[u8], now_s: i64) -> Option<i64> {
    let (name, rest) = match text.iter().position(|byte| *byte == b',') {
        Some(at) => (text.get(..at)?, text.get(at.wrapping_add(1)..)?),
        None => return asctime(text),
    };
    // ` 06 Nov 1994`
    if let Some(([b' ', d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4], time)) = rest.split_first_chunk::<12>() {
        let time = time.strip_prefix(b" ")?.strip_suffix(b" GMT")?;
        DAYS.iter().find(|day| *day == &name)?;
        return seconds(digits(&[*y1, *y2, *y3, *y4])?, [*m1, *m2, *m3], digits(&[*d1, *d2])?, time);
    }
    // ` 06-Nov-94`
    let (date, time) = rest.split_first_chunk::<10>()?;
    let [b' ', d1, d2, b'-', m1, m2, m3, b'-', y1, y2] = date else { return None };
    let time = time.strip_prefix(b" ")?.strip_suffix(b" GMT")?;
    DAYS_IN_FULL.iter().find(|day| **day == name)?;
    let this_year = i64::from(civil((now_s.clamp(0, END_S) / DAY_S) as u32).0);
    let mut year = this_year - this_year % 100 + digits(&[*y1, *y2])?;
    // More than fifty years ahead is the past (RFC 9110 5.6.7).
    if year > this_year + 50 {
        year -= 100;
    }
    seconds(year, [*m1, *m2, *m3], digits(&[*d1, *d2])?, time)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<i64> {
    let ([d1, d2, d3, b' ', m1, m2, m3, b' ', day1, day2, b' '], rest) = text.split_first_chunk::<11>()? else {
        return None;
    };
    DAYS.iter().find(|day| **day == &[*d1, *d2, *d3])?;
    let (time, year) = rest.split_first_chunk::<8>()?;
    let day = if *day1 == b' ' { digits(&[*day2])? } else { digits(&[*day1, *day2])? };
    let year = year.strip_prefix(b" ").filter(|year| year.len() == 4)?;
    seconds(digits(year)?, [*m1, *m2, *m3], day, time)
}

fn seconds(year: i64, month: [u8; 3], day: i64, time: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = time else { return None };
    let (hour, minute, second) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?, digits(&[*s1, *s2])?);
    let month = MONTHS.iter().position(|name| **name == month)? as i64 + 1;
    // A leap second is the second before it.
    if hour > 23 || minute > 59 || second > 60 || day < 1 || day > days_in(year, month) {
        return None;
    }
    Some(days_from(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second.min(59))
}

fn digits(text: &[u8]) -> Option<i64> {
    super::bytes::number(text).map(|number| number as i64)
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date; years begin in March, so that the leap day is their last.
fn days_from(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// Year, month and day of a day since 1970.
fn civil(days: u32) -> (u32, u32, u32) {
    let days = days.wrapping_add(719_468);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (year + era * 400, if month < 10 { month + 3 } else { month - 9 });
    (year + (month <= 2) as u32, month, day)
}

fn two(number: u32) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

#[inline(always)]
fn put<const N: usize>(text: &mut [u8; DATE_BYTES], at: usize, bytes: &[u8; N]) {
    if let Some(into) = text.get_mut(at..).and_then(|text| text.first_chunk_mut::<N>()) {
        *into = *bytes;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    const NOW_S: i64 = 1_784_000_000; // 2026

    #[test]
    fn the_three_forms_of_the_standard_are_one_second() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse(text.as_bytes(), NOW_S), Some(784_111_777), "{text}");
        }
        assert_eq!(write(784_111_777).as_ref(), Some(b"Sun, 06 Nov 1994 08:49:37 GMT"));
    }

    /// Each day from 1970 to 9999, counted one by one.
    #[test]
    fn every_day_to_the_year_9999_is_written_and_read_back() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..END_S / DAY_S {
            assert_eq!(civil(days as u32), (year as u32, month as u32, day as u32));
            assert_eq!(days_from(year, month, day), days);
            if days % 97 == 0 {
                let second = days * DAY_S + days * 7_919 % DAY_S;
                let text = write(second).unwrap();
                assert_eq!(parse(&text, NOW_S), Some(second), "{}", text.escape_ascii());
            }
            day += 1;
            if day > days_in(year, month) {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
        assert_eq!(year, 10_000);
        assert_eq!((write(-1), write(END_S)), (None, None));
        assert_eq!(write(END_S - 1).as_ref(), Some(b"Fri, 31 Dec 9999 23:59:59 GMT"));
    }

    #[test]
    fn two_digits_of_a_year_are_at_most_fifty_years_ahead() {
        let year = |text: &str| parse(text.as_bytes(), NOW_S).map(|s| civil((s.max(0) / DAY_S) as u32).0);
        assert_eq!(year("Friday, 01-Jan-76 00:00:00 GMT"), Some(2076));
        assert_eq!(year("Friday, 01-Jan-77 00:00:00 GMT"), Some(1977));
        assert_eq!(year("Friday, 01-Jan-00 00:00:00 GMT"), Some(2000));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            ",",
            "0",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "Xxx, 06 Nov 1994 08:49:37 GMT",
            "Sun, 32 Jan 1994 08:49:37 GMT",
            "Sun, 29 Feb 1900 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov  6 08:49:37 94",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(text.as_bytes(), NOW_S), None, "{text}");
        }
        assert_eq!(parse(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW_S), Some(1_483_228_799));
    }
}
