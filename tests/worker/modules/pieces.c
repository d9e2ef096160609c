/* Takes the body line by line, or as its options say, and writes the pieces into the note "pieces";
 * ends the session politely when it has seen a line "bye". */
#include <string.h>

#include <mailweir/filter.h>

typedef struct
{
  guint64 size, then;
} Settings;

static const WeirOption options[] = {
  { "size", WEIR_OPTION_SIZE, G_STRUCT_OFFSET (Settings, size), "0", "octets; 0: lines" },
  { "then", WEIR_OPTION_SIZE, G_STRUCT_OFFSET (Settings, then), "0", "behind the first piece" },
  { NULL },
};

static WeirVerdict
end_of_headers (WeirContext *context)
{
  const Settings *settings = weir_config (context);

  if (settings->size != 0)
    weir_set_body_chunk (context, settings->size);
  weir_set_note (context, "fields", "%u", weir_header_count (context));
  return WEIR_PASS;
}

static WeirVerdict
body (WeirContext *context, const guint8 *chunk, gsize length)
{
  const Settings *settings = weir_config (context);
  const char *before = weir_note (context, "pieces");

  if (length <= 64)
    weir_set_note (context, "pieces", "%s[%.*s]", before == NULL ? "" : before, (int) length,
                   (const char *) chunk);
  else
    weir_set_note (context, "pieces", "%s[%zu]", before == NULL ? "" : before, length);
  if (settings->then != 0)
    weir_set_body_chunk (context, settings->then == 1 ? WEIR_BODY_LINES : 0);
  if (length == 5 && memcmp (chunk, "bye\r\n", 5) == 0)
    return weir_close (context, 250, "2.0.0", "bye");
  return WEIR_PASS;
}

static WeirVerdict
end_of_message (WeirContext *context)
{
  return weir_reply (context, 250, "2.0.0", "text");
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "pieces",
  .summary = "notes the pieces of a body",
  .config_size = sizeof (Settings),
  .body_chunk = WEIR_BODY_LINES,
  .options = options,
  .end_of_headers = end_of_headers,
  .body = body,
  .end_of_message = end_of_message,
};
