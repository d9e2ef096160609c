/* Limits on a header block, checked before anybody parses it: what a MIME parser does with more
 * costs memory, time or its life. Yields the first problem; it can not fail. */
#include "message/headers.h"

#include <string.h>

#include "message/headers-private.h"

/* Fields whose values are read by a recursive address parser: a group in a group in a group takes
 * stack. */
static const struct
{
  const gchar *name;
  gsize length;
} address_fields[] = {
  { "from", 4 },
  { "to", 2 },
  { "cc", 2 },
  { "bcc", 3 },
  { "reply-to", 8 },
  { "sender", 6 },
  { "resent-from", 11 },
  { "resent-to", 9 },
  { "resent-cc", 9 },
  { "resent-bcc", 10 },
  { "resent-sender", 13 },
  { "resent-reply-to", 15 },
  { "return-path", 11 },
  { "errors-to", 9 },
  { "apparently-to", 13 },
  { "mail-followup-to", 16 },
  { "mail-reply-to", 13 },
  { "disposition-notification-to", 27 },
  { "delivered-to", 12 },
  { "return-receipt-to", 17 },
};

static gboolean
is_address_field (const MessageHeaders *headers, const MessageField *field)
{
  const gchar *name = (const gchar *) headers->bytes + field->start;

  for (guint i = 0; i < G_N_ELEMENTS (address_fields); i++)
    if (address_fields[i].length == field->name_length
        && g_ascii_strncasecmp (name, address_fields[i].name, field->name_length) == 0)
      return TRUE;
  return FALSE;
}

static guint
count_colons (const MessageHeaders *headers, const MessageField *field)
{
  guint colons = 0;

  for (gsize i = field->value; i < field->end; i++)
    colons += headers->bytes[i] == ':';
  return colons;
}

static MessageHeadersProblem
check_field (const MessageHeaders *headers, const MessageHeaderLimits *limits,
             const MessageField *field)
{
  gsize length = field->end - field->start;

  if (length > limits->field_bytes)
    return MESSAGE_HEADERS_TOO_LONG;
  if (memchr (headers->bytes + field->start, '\0', length) != NULL)
    return MESSAGE_HEADERS_NUL;
  if (is_address_field (headers, field)
      && (length > limits->address_field_bytes
          || count_colons (headers, field) > limits->address_colons))
    return MESSAGE_HEADERS_ADDRESSES;
  return MESSAGE_HEADERS_FINE;
}

/* Whether the block was ended by a line that a NUL makes no field: others may read it as a field,
 * up to there. What stands behind the octet that decided does not count: it may not be there yet.
 */
static gboolean
ends_at_nul (const MessageHeaders *headers)
{
  if (!message_headers_is_cut (headers))
    return FALSE;
  const guint8 *at = headers->bytes + headers->end;
  const guint8 *end = headers->bytes + headers->length;
  while (at<end && * at> ' ' && *at < 0x7f && *at != ':')
    at++;
  while (at < end && (*at == ' ' || *at == '\t'))
    at++;
  return at < end && *at == '\0';
}

MessageHeadersProblem
message_headers_check (const MessageHeaders *headers, const MessageHeaderLimits *limits,
                       guint *field)
{
  *field = G_MAXUINT;
  if (headers->end > limits->header_bytes)
    return MESSAGE_HEADERS_TOO_LONG;
  if (headers->fields->len > limits->fields)
    return MESSAGE_HEADERS_TOO_MANY;
  for (guint i = 0; i < headers->fields->len; i++)
    {
      MessageHeadersProblem problem
          = check_field (headers, limits, message_headers_nth (headers, i));
      if (problem != MESSAGE_HEADERS_FINE)
        {
          *field = i;
          return problem;
        }
    }
  if (ends_at_nul (headers))
    return MESSAGE_HEADERS_NUL;
  return MESSAGE_HEADERS_FINE;
}
