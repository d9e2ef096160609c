/* GMime's stream over memory, with one thing added to reading. It can not fail. */
#include "mime/stream.h"

#include "mime/pages.h"

typedef struct
{
  GMimeStreamMem parent_object;
  MimePages pages;
} MimeStream;

typedef struct
{
  GMimeStreamMemClass parent_class;
} MimeStreamClass;

static GType mime_stream_get_type (void);
G_DEFINE_TYPE (MimeStream, mime_stream, GMIME_TYPE_STREAM_MEM)

static ssize_t
read_on (GMimeStream *stream, char *buffer, size_t length)
{
  ssize_t got = GMIME_STREAM_CLASS (mime_stream_parent_class)->read (stream, buffer, length);

  mime_pages_read (&((MimeStream *) stream)->pages, (gsize) MAX (stream->position, 0));
  return got;
}

static void
mime_stream_class_init (MimeStreamClass *class)
{
  GMIME_STREAM_CLASS (class)->read = read_on;
}

static void
mime_stream_init (MimeStream *stream)
{
}

GMimeStream *
mime_stream_new (GByteArray *array, gboolean mapped)
{
  MimeStream *stream = g_object_new (mime_stream_get_type (), NULL);

  stream->pages = mime_pages_new (array->data, array->len, mapped);
  g_mime_stream_mem_set_byte_array (GMIME_STREAM_MEM (stream), array);
  g_mime_stream_mem_set_owner (GMIME_STREAM_MEM (stream), FALSE);
  return GMIME_STREAM (stream);
}
