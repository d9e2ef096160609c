/* The server's input: held octets first, then the window. A line that starts in the one and ends in
 * the other is put together in `held`, at most as much of it as a line may have. No input makes
 * this fail; too long lines are reported by their own result. */
#include "smtp/server-input.h"

#include <string.h>

#include "smtp/commands/command.h"
#include "smtp/server-chunk.h"

guint8 *
smtp_input_bytes (SmtpServer *server, gsize *length)
{
  gboolean held = base_buffer_length (&server->held) > 0;

  *length = held ? base_buffer_length (&server->held) : server->window_length;
  return held ? base_buffer_bytes (&server->held) : server->window;
}

void
smtp_input_release (SmtpServer *server)
{
  gsize used = server->used;

  server->used = 0;
  if (used == 0)
    return;
  if (base_buffer_length (&server->held) > 0)
    {
      base_buffer_consume (&server->held, used);
      return;
    }
  server->window += used;
  server->window_length -= used;
}

/* A verb of four letters and what ends it. */
static gboolean
is_verb (const gchar *line, gsize length, const gchar *verb)
{
  return length > 4 && g_ascii_strncasecmp (line, verb, 4) == 0 && g_ascii_isspace (line[4]);
}

static gchar
octet_at (const SmtpServer *server, gsize at)
{
  gsize held = base_buffer_length (&server->held);

  if (at < held)
    return (gchar) base_buffer_bytes (&server->held)[at];
  return at - held < server->window_length ? (gchar) server->window[at - held] : '\0';
}

/* The longest line that is taken, with its end: AUTH and what belongs to it may be longer. */
static gsize
longest_line (const SmtpServer *server)
{
  gboolean auth = server->state == SMTP_STATE_AUTH;

  if (!auth && (server->offered & SMTP_CAP_AUTH) && server->mechanisms != NULL)
    {
      gchar verb[5] = { 0 };
      for (gsize i = 0; i < sizeof verb; i++)
        verb[i] = octet_at (server, i);
      auth = is_verb (verb, sizeof verb, "AUTH");
    }
  return auth ? MAX (SMTP_SERVER_MAX_AUTH_LINE, server->limits->line_length)
              : server->limits->line_length;
}

/* A line that lies in both parts: as much of the window goes to the held part as the line has, or
 * may have. */
static void
join_line (SmtpServer *server)
{
  gsize held = base_buffer_length (&server->held);

  if (held == 0)
    return;
  gsize most = longest_line (server);
  if (held >= most || server->window_length == 0 || server->dropping
      || memchr (base_buffer_bytes (&server->held), '\n', held) != NULL)
    return;
  gsize part = MIN (server->window_length, most - held);
  const guint8 *end = memchr (server->window, '\n', part);
  if (end != NULL)
    part = (gsize) (end - server->window) + 1;
  base_buffer_append (&server->held, server->window, part);
  server->window += part;
  server->window_length -= part;
}

/* Drops octets up to the LF that ends the line which is too long; FALSE: it was not there yet. */
static gboolean
drop_line (SmtpServer *server, SmtpLine *line)
{
  gsize length;

  while (server->dropping)
    {
      const guint8 *bytes = smtp_input_bytes (server, &length);
      if (length == 0)
        return FALSE;
      const guint8 *end = memchr (bytes, '\n', length);
      const guint8 *last = end == NULL ? bytes + length : end;
      if (last > bytes)
        server->dropped_cr = last[-1] == '\r';
      line->bare_lf = !server->dropped_cr;
      server->dropping = end == NULL;
      server->used = end == NULL ? length : (gsize) (end - bytes) + 1;
      smtp_input_release (server);
    }
  return TRUE;
}

SmtpLineResult
smtp_input_take_line (SmtpServer *server, SmtpLine *line)
{
  gsize length;

  join_line (server);
  guint8 *bytes = smtp_input_bytes (server, &length);
  gsize most = server->limits->line_length;
  const guint8 *end
      = length == 0 || server->dropping ? NULL : memchr (bytes, '\n', MIN (length, most));
  if (end == NULL && length >= most)
    {
      most = longest_line (server);
      end = server->dropping ? NULL : memchr (bytes, '\n', MIN (length, most));
    }
  if (end == NULL)
    {
      gboolean dropped = server->dropping || (length > 0 && length >= most);
      if (dropped && !server->dropping)
        {
          server->lost = is_verb ((const gchar *) bytes, length, "BDAT");
          server->dropped_cr = FALSE;
        }
      server->dropping = dropped;
      return dropped && drop_line (server, line) ? SMTP_LINE_TOO_LONG : SMTP_LINE_NONE;
    }
  line->bytes = (gchar *) bytes;
  line->length = (gsize) (end - bytes);
  server->used = line->length + 1;
  line->bare_lf = line->length == 0 || bytes[line->length - 1] != '\r';
  line->length -= !line->bare_lf;
  return SMTP_LINE_GOOD;
}

#define LONGEST_BDAT 64 /* octets of a BDAT line that the search for QUIT reads */

/* What the search for QUIT remembers between two pieces of input. */
typedef struct
{
  gchar line[LONGEST_BDAT];
  gsize length;  /* of the line, its end included; may be more than fits */
  guint64 chunk; /* octets that are no commands */
  gboolean stop;
  gboolean found;
} QuitSearch;

/* The chunk behind a BDAT line; one whose size can not be read ends the search. */
static void
judge_bdat (QuitSearch *search, gsize end)
{
  SmtpChunkLine chunk;

  smtp_chunk_measure (search->line + 4, end - 4, &chunk);
  search->chunk = chunk.size;
  search->stop = chunk.kind == SMTP_CHUNK_UNREADABLE;
}

/* A line that is complete. Behind DATA and AUTH come no commands, and behind STARTTLS none that
 * counts. */
static void
judge_line (QuitSearch *search, SmtpNewlines newlines)
{
  gboolean fits = search->length <= sizeof search->line;
  gboolean crlf = fits && search->length >= 2 && search->line[search->length - 2] == '\r';
  gsize end = search->length - 1 - crlf;
  gboolean torn = fits && (!crlf || memchr (search->line, '\r', end) != NULL);

  if (torn && newlines == SMTP_NEWLINES_REFUSE)
    {
      search->stop = TRUE; /* the session ends there */
      return;
    }
  if (is_verb (search->line, search->length, "BDAT"))
    {
      search->stop = !fits;
      if (fits)
        judge_bdat (search, end);
      return;
    }
  search->stop = is_verb (search->line, search->length, "DATA")
                 || is_verb (search->line, search->length, "AUTH")
                 || (search->length > 8 && g_ascii_strncasecmp (search->line, "STARTTLS", 8) == 0);
  search->found = fits && end == 4 && g_ascii_strncasecmp (search->line, "QUIT", 4) == 0;
}

static void
search_quit (QuitSearch *search, SmtpNewlines newlines, const guint8 *bytes, gsize length)
{
  for (gsize i = 0; i < length && !search->found && !search->stop; i++)
    {
      if (search->chunk > 0)
        {
          gsize part = (gsize) MIN (search->chunk, length - i);
          search->chunk -= part;
          i += part - 1;
          continue;
        }
      if (search->length < sizeof search->line)
        search->line[search->length] = (gchar) bytes[i];
      search->length++;
      if (bytes[i] != '\n')
        continue;
      judge_line (search, newlines);
      search->length = 0;
    }
}

gsize
smtp_server_backlog (const SmtpServer *server)
{
  if (server->state & (SMTP_STATE_TLS | SMTP_STATE_CLOSED))
    return 0;
  return base_buffer_length (&server->held) + server->window_length - server->used;
}

gboolean
smtp_server_backlog_has_quit (const SmtpServer *server)
{
  gboolean in_chunk = server->state == SMTP_STATE_CHUNK || server->open == &smtp_command_bdat;
  gboolean in_data = server->state == SMTP_STATE_DATA && server->open == NULL;
  gboolean in_auth = server->state == SMTP_STATE_AUTH || server->open == &smtp_command_auth;
  QuitSearch search = { .stop = in_data || in_auth || server->dropping };
  gsize held = base_buffer_length (&server->held);
  gsize used_held = held > 0 ? server->used : 0;
  gsize used_window = held > 0 ? 0 : server->used;

  if (smtp_server_backlog (server) == 0)
    return FALSE;
  if (in_chunk)
    search.chunk = server->chunk;
  if (held > 0)
    search_quit (&search, server->limits->newlines, base_buffer_bytes (&server->held) + used_held,
                 held - used_held);
  if (server->window_length > used_window)
    search_quit (&search, server->limits->newlines, server->window + used_window,
                 server->window_length - used_window);
  return search.found;
}
