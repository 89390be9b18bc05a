/**
 * The time, as records have it: ISO 8601 in UTC, with milliseconds.
 *
 * Date would do the same, but it looks for the machine's time zone first, in several files, for a two-hundredth part of
 * a run.
 */

const SECOND = 1000;
const DAY = 86_400 * SECOND;
/** Of the Gregorian calendar, which repeats itself after them. */
const DAYS_OF_400_YEARS = 146_097;
/** From 1 March of year 0 to 1 January 1970: with February last, a leap day is the last one of its year. */
const DAYS_BEFORE_1970 = 719_468;

/** @param milliseconds since 1970, not before */
export function isoTime(milliseconds = Date.now()): string {
  const time = milliseconds % DAY;
  const {year, month, day} = dateOf(Math.floor(milliseconds / DAY));
  const clock = [time / (3600 * SECOND), (time / (60 * SECOND)) % 60, (time / SECOND) % 60].map(twoDigits);
  return `${year}-${twoDigits(month)}-${twoDigits(day)}T${clock.join(':')}.${String(time % SECOND).padStart(3, '0')}Z`;
}

function dateOf(daysSince1970: number): {year: number; month: number; day: number} {
  const days = daysSince1970 + DAYS_BEFORE_1970;
  const era = Math.floor(days / DAYS_OF_400_YEARS);
  const dayOfEra = days % DAYS_OF_400_YEARS;
  const leapDays =
    Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  // Five months from March, and again from August, have 153 days.
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return {year: 400 * era + yearOfEra + (month <= 2 ? 1 : 0), month, day};
}

function twoDigits(value: number): string {
  return String(Math.floor(value)).padStart(2, '0');
}
