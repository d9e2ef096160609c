/* A message in memory or mapped, as GMime reads it: behind the place that is read, pages of a
 * mapping are let go. */
#pragma once

#include <gmime/gmime.h>

/* `array` stands on the bytes, which nobody copies or writes; it and they must outlive the stream
 * and what was parsed from it. `mapped`: see mime_pages_new(). */
GMimeStream *mime_stream_new (GByteArray *array, gboolean mapped);
