/* Dates by gmtime_r(), which knows the calendar; the digits are written here. A moment outside the
 * years 1970 to 9999 is shown as the nearest one inside: nothing fails. */
#include "base/date.h"

#include <string.h>
#include <time.h>

#define LAST G_GINT64_CONSTANT (253402300799) /* the end of the year 9999 */

static gchar *
put_digits (gchar *at, guint digits, guint number)
{
  for (guint i = digits; i > 0; number /= 10)
    at[--i] = (gchar) ('0' + number % 10);
  return at + digits;
}

static gchar *
put_text (gchar *at, const gchar *text)
{
  return g_stpcpy (at, text);
}

static gchar *
put_time (gchar *at, const struct tm *parts)
{
  at = put_digits (at, 2, (guint) parts->tm_hour);
  at = put_text (at, ":");
  at = put_digits (at, 2, (guint) parts->tm_min);
  at = put_text (at, ":");
  return put_digits (at, 2, (guint) parts->tm_sec);
}

static void
split (gint64 seconds, struct tm *parts)
{
  time_t time = (time_t) CLAMP (seconds, 0, LAST);

  gmtime_r (&time, parts);
}

void
base_date_rfc5322 (gint64 seconds, gchar text[BASE_DATE_LENGTH])
{
  static const gchar days[][6] = { "Sun, ", "Mon, ", "Tue, ", "Wed, ", "Thu, ", "Fri, ", "Sat, " };
  static const gchar months[][6] = { " Jan ", " Feb ", " Mar ", " Apr ", " May ", " Jun ",
                                     " Jul ", " Aug ", " Sep ", " Oct ", " Nov ", " Dec " };
  struct tm parts;
  gchar *at = text;

  split (seconds, &parts);
  at = put_text (at, days[parts.tm_wday]);
  at = put_digits (at, parts.tm_mday < 10 ? 1 : 2, (guint) parts.tm_mday);
  at = put_text (at, months[parts.tm_mon]);
  at = put_digits (at, 4, (guint) parts.tm_year + 1900);
  at = put_text (at, " ");
  at = put_time (at, &parts);
  put_text (at, " +0000");
}

void
base_date_stamp (gint64 microseconds, gchar text[BASE_DATE_LENGTH])
{
  struct tm parts;
  gchar *at = text;

  split (microseconds / G_USEC_PER_SEC, &parts);
  at = put_digits (at, 4, (guint) parts.tm_year + 1900);
  at = put_text (at, "-");
  at = put_digits (at, 2, (guint) parts.tm_mon + 1);
  at = put_text (at, "-");
  at = put_digits (at, 2, (guint) parts.tm_mday);
  at = put_text (at, "T");
  at = put_time (at, &parts);
  at = put_text (at, ".");
  at = put_digits (at, 3, (guint) (MAX (microseconds, 0) % G_USEC_PER_SEC / 1000));
  put_text (at, "Z");
}
