//! Tests of the conversions, by tables of real values.

use super::*;

fn number(text: &str) -> Scalar<'_> {
    Scalar::Number(text)
}

#[test]
fn decimals_are_exact() {
    for (text, value) in [
        ("0", 0),
        ("1", 1_000_000_000_000),
        ("0.000000000001", 1),
        ("-0.58", -580_000_000_000),
        ("1e-12", 1),
        ("1.5E3", 1_500_000_000_000_000),
        ("0.0016150000000000001", 1_615_000_000),
        ("0.0000000000005", 1),
        ("0.00000000000049", 0),
        ("-0.0000000000005", -1),
        ("999999.999999999999", 999_999_999_999_999_999),
        (".5", 500_000_000_000),
        ("1e-40", 0),
        ("0e99", 0),
        ("000001.0", 1_000_000_000_000),
    ] {
        assert_eq!(decimal(&number(text), 18, 12), Ok(value), "{text}");
    }
    for text in ["", "-", ".", "1e", "abc", "1.2.3", "0x10", "NaN", "inf", "1000000", "1e30", "٣"]
    {
        assert!(decimal(&number(text), 18, 12).is_err(), "{text}");
    }
}

#[test]
fn integers_are_whole_and_fit() {
    for (text, value) in [
        ("0", 0),
        ("-7", -7),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("123.000", 123),
        ("1e3", 1000),
    ] {
        assert_eq!(integer(&number(text)), Ok(value), "{text}");
    }
    for text in ["9223372036854775808", "1.5", "1e19", "1e-1", "twelve", ""] {
        assert!(integer(&number(text)).is_err(), "{text}");
    }
}

#[test]
fn instants_by_form_and_magnitude() {
    let at = 1_706_092_200_123_456_i64;
    for text in [
        "2024-01-24T10:30:00.123456Z",
        "2024-01-24T11:30:00.123456+01:00",
        "2024-01-24T02:30:00.123456-08:00",
        "2024-01-24 10:30:00.123456Z",
        "2024-01-24T10:30:00.1234569Z",
        "1706092200123456",
        "1706092200.123456",
        "1706092200.1234569",
        "1706092200123.4569",
        "1706092200123.456",
        "1706092200123456789",
    ] {
        assert_eq!(instant(&Scalar::Text(text), TimeForm::default()), Ok((at, false)), "{text}");
    }
    let utc = instant(&Scalar::Text("2024-01-24 10:30:00.1234560"), TimeForm::default());
    assert_eq!(utc, Ok((at, true)));
    for text in ["", "yesterday", "2024-13-01T00:00:00Z", "1e300", "24/01/2024"] {
        assert!(instant(&Scalar::Text(text), TimeForm::default()).is_err(), "{text}");
    }
}

#[test]
fn a_form_says_unit_and_origin() {
    let form = TimeForm { unit_nanos: Some(1_000_000), origin: 1_000_000, is_utc: false };
    assert_eq!(instant(&number("27"), form), Ok((1_027_000, false)));
}

#[test]
fn ratios_round_half_away_from_zero() {
    assert_eq!(ratio(1, 3, 18, 8), Some(33_333_333));
    assert_eq!(ratio(2, 3, 18, 8), Some(66_666_667));
    assert_eq!(ratio(-2, 3, 18, 8), Some(-66_666_667));
    assert_eq!(ratio(5, 0, 18, 8), Some(0));
    assert_eq!(ratio(128_955, 5, 18, 8), Some(2_579_100_000_000));
    assert_eq!(ratio(i64::MAX, 1, 18, 8), None);
}
