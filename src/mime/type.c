/* One pass over a Content-Type by the grammar; the first octet that does not fit makes it unclear.
 * Of a leaf's field only the type is read: nothing behind it makes it a multipart. */
#include "mime/type.h"

#include <string.h>

typedef struct
{
  const guint8 *at;
  const guint8 *end;
} Cursor;

typedef struct
{
  const guint8 *start;
  gsize length;
} Piece;

static gboolean
is_token (guint8 byte)
{
  return byte > ' ' && byte < 127 && memchr ("()<>@,;:\\\"/[]?=", byte, 15) == NULL;
}

static gboolean
is_space (guint8 byte)
{
  return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void
skip_space (Cursor *cursor)
{
  while (cursor->at < cursor->end && is_space (*cursor->at))
    cursor->at++;
}

static gboolean
skip (Cursor *cursor, guint8 byte)
{
  if (cursor->at == cursor->end || *cursor->at != byte)
    return FALSE;
  cursor->at++;
  return TRUE;
}

static Piece
read_token (Cursor *cursor)
{
  Piece piece = { cursor->at, 0 };

  while (cursor->at < cursor->end && is_token (*cursor->at))
    cursor->at++;
  piece.length = (gsize) (cursor->at - piece.start);
  return piece;
}

/* FALSE: something stands in it that is escaped, folded, encoded or no ASCII. */
static gboolean
read_quoted (Cursor *cursor, Piece *piece)
{
  piece->start = cursor->at;
  while (cursor->at < cursor->end && *cursor->at != '"')
    if (*cursor->at < ' ' || *cursor->at >= 127 || *cursor->at++ == '\\')
      return FALSE;
  piece->length = (gsize) (cursor->at - piece->start);
  return skip (cursor, '"') && memmem (piece->start, piece->length, "=?", 2) == NULL;
}

static gboolean
is (Piece piece, const gchar *word)
{
  return piece.length == strlen (word)
         && g_ascii_strncasecmp ((const gchar *) piece.start, word, piece.length) == 0;
}

/* "name=value". RFC 2231 makes more of names with an asterisk. */
static gboolean
read_parameter (Cursor *cursor, Piece *name, Piece *value)
{
  *name = read_token (cursor);
  if (name->length == 0 || memchr (name->start, '*', name->length) != NULL || !skip (cursor, '='))
    return FALSE;
  if (skip (cursor, '"'))
    return read_quoted (cursor, value);
  *value = read_token (cursor);
  return value->length > 0;
}

/* The one boundary among the parameters. */
static gboolean
read_boundary (Cursor *cursor, Piece *boundary)
{
  *boundary = (Piece){ NULL, 0 };
  for (skip_space (cursor); skip (cursor, ';'); skip_space (cursor))
    {
      Piece name, value;

      skip_space (cursor);
      if (cursor->at == cursor->end)
        break;
      if (!read_parameter (cursor, &name, &value))
        return FALSE;
      if (!is (name, "boundary"))
        continue;
      if (boundary->start != NULL)
        return FALSE;
      *boundary = value;
    }
  return cursor->at == cursor->end && boundary->length > 0
         && boundary->length <= MIME_MAX_PLAIN_BOUNDARY
         && memchr (boundary->start, ' ', boundary->length) == NULL;
}

MimeTypeKind
mime_type_read (const guint8 *value, gsize length, const guint8 **boundary, gsize *boundary_length)
{
  Cursor cursor = { value, value + length };
  Piece type, subtype, found;

  *boundary = NULL;
  skip_space (&cursor);
  type = read_token (&cursor);
  if (type.length == 0 || !skip (&cursor, '/'))
    return MIME_TYPE_UNCLEAR;
  subtype = read_token (&cursor);
  if (subtype.length == 0
      || (cursor.at < cursor.end && *cursor.at != ';' && !is_space (*cursor.at)))
    return MIME_TYPE_UNCLEAR;
  if (is (type, "message"))
    return MIME_TYPE_MESSAGE;
  if (!is (type, "multipart"))
    return MIME_TYPE_LEAF;
  if (!read_boundary (&cursor, &found))
    return MIME_TYPE_UNCLEAR;
  *boundary = found.start;
  *boundary_length = found.length;
  return is (subtype, "digest") ? MIME_TYPE_DIGEST : MIME_TYPE_MULTIPART;
}
