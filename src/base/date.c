/* Dates in UTC are arithmetic: no calendar of the C library, no lock, no locale. A moment outside
 * the years 1970 to 9999 is shown as the nearest one inside: nothing fails. */
#include "base/date.h"

#include <string.h>

#define LAST G_GINT64_CONSTANT (253402300799) /* the end of the year 9999 */
#define DAY (24 * 60 * 60)

/* Counted from 1 March of the year 0, the day of the leap year is the last one of a year: then all
 * is regular. */
#define DAYS_TO_1970 719468
#define DAYS_OF_400_YEARS 146097

typedef struct
{
  guint year, month, day; /* 1 January is 1, 1 */
  guint weekday;          /* Sunday is 0 */
  guint seconds;          /* of the day */
} Moment;

/* What a thread wrote last: thousands of messages share a second. */
typedef struct
{
  gint64 seconds;
  gsize length; /* 0: nothing yet */
  gchar text[BASE_DATE_LENGTH];
} Written;

static gchar *
put_digits (gchar *at, guint digits, guint number)
{
  for (guint i = digits; i > 0; number /= 10)
    at[--i] = (gchar) ('0' + number % 10);
  return at + digits;
}

static inline gchar *
put_text (gchar *at, const gchar *text)
{
  return stpcpy (at, text); /* not GLib's: of a literal nothing is left but a store */
}

static gchar *
put_time (gchar *at, guint seconds)
{
  at = put_digits (at, 2, seconds / 3600);
  at = put_text (at, ":");
  at = put_digits (at, 2, seconds / 60 % 60);
  at = put_text (at, ":");
  return put_digits (at, 2, seconds % 60);
}

static Moment
split (gint64 seconds)
{
  guint64 since = (guint64) CLAMP (seconds, 0, LAST);
  guint days = (guint) (since / DAY) + DAYS_TO_1970;
  guint day = days % DAYS_OF_400_YEARS;
  guint year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  guint day_of_year = day - (365 * year + year / 4 - year / 100);
  guint month = (5 * day_of_year + 2) / 153; /* March is 0 */

  return (Moment){ .year = year + 400 * (days / DAYS_OF_400_YEARS) + (month >= 10),
                   .month = month < 10 ? month + 3 : month - 9,
                   .day = day_of_year - (153 * month + 2) / 5 + 1,
                   .weekday = (days + 3) % 7,
                   .seconds = (guint) (since % DAY) };
}

static gchar *
put_rfc5322 (gchar *at, gint64 seconds)
{
  static const gchar days[][6] = { "Sun, ", "Mon, ", "Tue, ", "Wed, ", "Thu, ", "Fri, ", "Sat, " };
  static const gchar months[][6] = { " Jan ", " Feb ", " Mar ", " Apr ", " May ", " Jun ",
                                     " Jul ", " Aug ", " Sep ", " Oct ", " Nov ", " Dec " };
  const Moment moment = split (seconds);

  at = put_text (at, days[moment.weekday]);
  at = put_digits (at, moment.day < 10 ? 1 : 2, moment.day);
  at = put_text (at, months[moment.month - 1]);
  at = put_digits (at, 4, moment.year);
  at = put_text (at, " ");
  at = put_time (at, moment.seconds);
  return put_text (at, " +0000");
}

/* Up to the fraction of a second. */
static gchar *
put_stamp (gchar *at, gint64 seconds)
{
  const Moment moment = split (seconds);

  at = put_digits (at, 4, moment.year);
  at = put_text (at, "-");
  at = put_digits (at, 2, moment.month);
  at = put_text (at, "-");
  at = put_digits (at, 2, moment.day);
  at = put_text (at, "T");
  at = put_time (at, moment.seconds);
  return put_text (at, ".");
}

static gchar *
put_known (gchar *at, gint64 seconds, Written *last, gchar *(*put) (gchar *at, gint64 seconds))
{
  if (last->length == 0 || last->seconds != seconds)
    {
      last->length = (gsize) (put (last->text, seconds) - last->text);
      last->seconds = seconds;
    }
  memcpy (at, last->text, sizeof last->text); /* all of it: a size that is known is a few moves */
  return at + last->length;
}

void
base_date_rfc5322 (gint64 seconds, gchar text[BASE_DATE_LENGTH])
{
  static _Thread_local Written last;

  put_known (text, seconds, &last, put_rfc5322);
}

void
base_date_stamp (gint64 microseconds, gchar text[BASE_DATE_LENGTH])
{
  static _Thread_local Written last;
  gchar *at = put_known (text, microseconds / G_USEC_PER_SEC, &last, put_stamp);

  at = put_digits (at, 3, (guint) (MAX (microseconds, 0) % G_USEC_PER_SEC / 1000));
  put_text (at, "Z");
}
