/* Moments as text: in UTC, without a locale, without printf; both forms are written for every
 * message. */
#pragma once

#include <glib.h>

#define BASE_DATE_LENGTH 40 /* room for either form, the NUL included */

/* RFC 5322 section 3.3: "Sat, 21 Nov 2026 03:49:20 +0000"; seconds since 1970, before the year
 * 10000. */
void base_date_rfc5322 (gint64 seconds, gchar text[BASE_DATE_LENGTH]);
/* "2026-11-21T03:49:20.123Z", from microseconds since 1970. */
void base_date_stamp (gint64 microseconds, gchar text[BASE_DATE_LENGTH]);
