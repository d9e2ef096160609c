/* See message.h. */
#include "common/message.h"

#include <string.h>

char *
common_message_read (WeirContext *context, gsize *size)
{
  char *bytes;

  *size = (gsize) weir_message_size (context);
  bytes = g_try_malloc (*size + 1);
  for (gsize at = 0; bytes != NULL && at < *size;)
    {
      gssize got = weir_message_read (context, at, bytes + at, *size - at);

      if (got <= 0)
        g_clear_pointer (&bytes, g_free);
      else
        at += (gsize) got;
    }
  if (bytes != NULL)
    bytes[*size] = '\0';
  return bytes;
}

gsize
common_message_strip (char *bytes, gsize *length)
{
  gsize kept = 0;

  if (*length > 1 && bytes[*length - 1] == '\r')
    --*length;
  for (gsize i = 0; i < *length; i++)
    if (bytes[i] != '\r' || i + 1 == *length || bytes[i + 1] != '\n')
      bytes[kept++] = bytes[i];
  return kept;
}

static gboolean
is_blank (char c)
{
  return c == ' ' || c == '\t';
}

/* As the gateway reads them. */
static gboolean
is_field (const char *line, gsize length)
{
  gsize name = 0;
  gsize at;

  while (name < length && line[name] > ' ' && line[name] < 0x7f && line[name] != ':')
    name++;
  for (at = name; at < length && is_blank (line[at]);)
    at++;
  return name > 0 && at < length && line[at] == ':';
}

gboolean
common_message_find_body (const char *bytes, gsize length, gsize *body)
{
  for (gsize at = 0; at < length;)
    {
      const char *lf = memchr (bytes + at, '\n', length - at);
      gsize next = lf == NULL ? length : (gsize) (lf - bytes) + 1;
      gboolean empty = bytes[at] == '\n' || (bytes[at] == '\r' && next - at == 2 && lf != NULL);

      if (!(is_blank (bytes[at]) && at > 0) && !is_field (bytes + at, next - at))
        {
          *body = empty ? next : at;
          return empty;
        }
      at = next;
    }
  *body = length;
  return FALSE;
}
