/* Dates as text, held against GLib's own calendar. */
#include "base/date.h"

#include <string.h>

#define DAY G_TIME_SPAN_DAY

static void
check_both (gint64 microseconds)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (microseconds / G_USEC_PER_SEC);
  g_autofree gchar *second = g_date_time_format (utc, "%Y-%m-%dT%H:%M:%S");
  g_autofree gchar *day = g_strdup_printf ("%d", g_date_time_get_day_of_month (utc));
  g_autofree gchar *rest = g_date_time_format (utc, "%b %Y %H:%M:%S");
  g_autofree gchar *weekday = g_date_time_format (utc, "%a");
  g_autofree gchar *stamp
      = g_strdup_printf ("%s.%03uZ", second, (guint) (microseconds % G_USEC_PER_SEC / 1000));
  g_autofree gchar *date = g_strdup_printf ("%s, %s %s +0000", weekday, day, rest);
  gchar text[BASE_DATE_LENGTH];

  base_date_stamp (microseconds, text);
  g_assert_cmpstr (text, ==, stamp);
  base_date_rfc5322 (microseconds / G_USEC_PER_SEC, text);
  g_assert_cmpstr (text, ==, date);
}

static void
test_known (void)
{
  gchar text[BASE_DATE_LENGTH];

  base_date_rfc5322 (1609459199, text);
  g_assert_cmpstr (text, ==, "Thu, 31 Dec 2020 23:59:59 +0000");
  base_date_rfc5322 (951782400, text);
  g_assert_cmpstr (text, ==, "Tue, 29 Feb 2000 00:00:00 +0000");
  base_date_stamp (G_GINT64_CONSTANT (951782400007999), text);
  g_assert_cmpstr (text, ==, "2000-02-29T00:00:00.007Z");
}

static void
test_calendar (void)
{
  for (guint i = 0; i < 5000; i++)
    check_both ((gint64) (guint32) g_test_rand_int () * G_USEC_PER_SEC
                + g_test_rand_int_range (0, G_USEC_PER_SEC));
  for (guint i = 0; i < 5000; i++)
    check_both ((gint64) g_test_rand_double_range (0, 253402300799.0) * G_USEC_PER_SEC);
  /* Each day of the first leap years, and of one of the centuries that are none. */
  for (guint day = 0; day < 5 * 366; day++)
    {
      check_both (day * DAY);
      check_both ((G_GINT64_CONSTANT (4102444800) + day * G_GINT64_CONSTANT (86400))
                  * G_USEC_PER_SEC);
    }
}

static void
test_outside (void)
{
  gchar text[BASE_DATE_LENGTH];

  base_date_rfc5322 (-1, text);
  g_assert_cmpstr (text, ==, "Thu, 1 Jan 1970 00:00:00 +0000");
  base_date_stamp (-1, text);
  g_assert_cmpstr (text, ==, "1970-01-01T00:00:00.000Z");
  base_date_rfc5322 (G_GINT64_CONSTANT (253402300800), text);
  g_assert_cmpstr (text, ==, "Fri, 31 Dec 9999 23:59:59 +0000");
  base_date_stamp (G_MAXINT64, text);
  g_assert_cmpuint (strlen (text), ==, strlen ("9999-12-31T23:59:59.775Z"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/date/known", test_known);
  g_test_add_func ("/base/date/calendar", test_calendar);
  g_test_add_func ("/base/date/outside", test_outside);
  return g_test_run ();
}
