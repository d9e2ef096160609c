/* The server machine: input, limits, answers and cuts come from the fuzzer. The same conversation
 * runs whole and one octet at a time; events and output must be equal, and no chunk may hold a bare
 * CR or LF. A violation aborts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "smtp/server.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define MOST_INPUT 4096
#define CONTROL 8 /* octets in front: limits and answers */

typedef struct
{
  gboolean binary; /* BODY=BINARYMIME */
  GString *events;
  GString *output;
  gboolean at_line; /* the next octet of the message begins a line */
} Record;

static void
check (gboolean good)
{
  if (!good)
    abort ();
}

static const SmtpServerCommand commands[] = { { "XFOO", 7 }, { "XBAR", 2 }, { NULL, 0 } };

static SmtpServerLimits
make_limits (const uint8_t *control)
{
  SmtpServerLimits limits = { 0 };

  limits.message_size = control[0] % 4 == 0 ? control[1] : 0;
  limits.text_line_length = control[0] / 4 % 4 == 0 ? control[2] % 32 : 0;
  limits.recipients = control[3] % 8;
  limits.line_length = 16 + control[4] % 128;
  limits.bad_commands = control[5] % 32;
  limits.newlines = control[6] & 1 ? SMTP_NEWLINES_NORMALIZE : SMTP_NEWLINES_REFUSE;
  limits.require_helo = (control[6] & 2) != 0;
  limits.require_tls = (control[6] & 4) != 0;
  limits.lmtp = (control[6] & 8) != 0;
  limits.commands = commands;
  return limits;
}

static void
record_chunk (Record *record, const SmtpServerEvent *event)
{
  check (event->length > 0);
  for (gsize i = 0; i < event->length && !record->binary; i++)
    {
      if (event->bytes[i] == '\r')
        check (i + 1 < event->length && event->bytes[i + 1] == '\n');
      if (event->bytes[i] == '\n')
        check (i > 0 && event->bytes[i - 1] == '\r');
    }
  for (gsize i = 0; i < event->length; i++)
    {
      check (event->dots || event->bytes[i] != '.' || !record->at_line);
      record->at_line = event->bytes[i] == '\n';
    }
  g_string_append_len (record->events, (const gchar *) event->bytes, (gssize) event->length);
}

static void
record_event (Record *record, const SmtpServerEvent *event)
{
  if (event->type == SMTP_SERVER_CHUNK)
    {
      record_chunk (record, event);
      return;
    }
  if (event->type == SMTP_SERVER_DATA || event->type == SMTP_SERVER_BDAT)
    record->at_line = TRUE;
  if (event->type == SMTP_SERVER_MAIL)
    {
      const gchar *body = base_path_parameter (event->path, "BODY");
      record->binary = body != NULL && g_ascii_strcasecmp (body, "BINARYMIME") == 0;
    }
  g_string_append_printf (record->events, "\n[%d %d %zu %s %s]", (int) event->type,
                          (int) event->fault, (gsize) event->size,
                          event->argument == NULL ? "" : event->argument,
                          event->path == NULL ? "" : event->path->address);
  for (guint i = 0; event->path != NULL && event->path->parameters != NULL; i++)
    {
      if (event->path->parameters[i] == NULL)
        return;
      g_string_append_printf (record->events, "{%s}", event->path->parameters[i]);
    }
}

/* The answer to the n-th event depends on the input alone, so that both runs give the same one. */
static void
answer (SmtpServer *server, SmtpServerEventType type, BaseReply *usual, guint n,
        const uint8_t *control)
{
  guint dice = (control[7] * 31u + n * 7u) % 16;
  SmtpCapabilities all = { 0xffff, 1000 };

  if (control[7] != 0 && dice == 0)
    smtp_server_answer (server, BASE_REPLY (550, 5, 7, 1, "no"));
  else if (control[7] > 200 && dice == 1 && type != SMTP_SERVER_RCPT)
    /* not RCPT: how many were pulled ahead of a closing answer depends on the cuts */
    smtp_server_answer_close (server, BASE_REPLY (450, 4, 7, 1, "no, and good-bye"));
  else if (type == SMTP_SERVER_EHLO)
    {
      smtp_server_offer_auth (server, "PLAIN X");
      smtp_server_answer_ehlo (server, "host", all, NULL);
    }
  else if ((type == SMTP_SERVER_AUTH || type == SMTP_SERVER_AUTH_RESPONSE) && dice % 2 == 1)
    smtp_server_auth_challenge (server, "eA==");
  else if (type == SMTP_SERVER_AUTH_RESPONSE && dice % 4 == 2)
    smtp_server_answer (server, BASE_REPLY (235, 2, 7, 0, "yes"));
  else
    smtp_server_answer (server, usual);
}

/* Pulls and answers until nothing comes; `late` pulls all there is before it answers. */
static void
pump (SmtpServer *server, Record *record, guint *n, gboolean late, const uint8_t *control)
{
  const SmtpServerEvent *event;
  SmtpServerEventType types[SMTP_SERVER_MAX_PENDING];
  BaseReply *usual[SMTP_SERVER_MAX_PENDING];
  guint answers = 1; /* to the event that was pulled last */
  guint open;

  do
    {
      open = 0;
      while ((!late || open < SMTP_SERVER_MAX_PENDING)
             && (event = smtp_server_next (server)) != NULL)
        {
          record_event (record, event);
          if (event->type == SMTP_SERVER_CHUNK)
            continue;
          types[open] = event->type;
          answers = event->type == SMTP_SERVER_END ? event->answers : 1;
          if (event->type == SMTP_SERVER_XCLIENT || event->type == SMTP_SERVER_XFORWARD)
            for (guint i = 0; event->attributes[i] != NULL; i++)
              g_string_append_printf (record->events, "{%s}", event->attributes[i]);
          usual[open++] = smtp_server_default_reply (event, "host");
          if (!late)
            break;
        }
      for (guint i = 0; i < open; i++)
        {
          for (guint j = 1; j < answers; j++)
            answer (server, types[i], usual[i], (*n)++, control);
          answer (server, types[i], usual[i], (*n)++, control);
          base_reply_free (usual[i]);
        }
    }
  while (open > 0);
}

static Record
run (const uint8_t *control, const uint8_t *data, size_t size, size_t step, gboolean late)
{
  SmtpServerLimits limits = make_limits (control);
  g_autoptr (SmtpServer) server = smtp_server_new (&limits);
  Record record = { FALSE, g_string_new (NULL), g_string_new (NULL) };
  struct iovec vector[64];
  guint n = 0;

  pump (server, &record, &n, late, control);
  for (size_t at = 0; at < size && !smtp_server_wants_tls (server); at += step)
    {
      size_t part = MIN (step, size - at);
      g_autofree guint8 *piece = g_memdup2 (data + at, part);
      smtp_server_feed (server, piece, part);
      pump (server, &record, &n, late, control);
      smtp_server_settle (server);
      smtp_server_backlog_has_quit (server);
      check (smtp_server_backlog (server) <= MAX (limits.line_length, SMTP_SERVER_MAX_AUTH_LINE));
    }
  if (smtp_server_wants_tls (server))
    smtp_server_tls_started (server);
  guint count = base_output_iovec (smtp_server_output (server), vector, G_N_ELEMENTS (vector));
  for (guint i = 0; i < count; i++)
    g_string_append_len (record.output, vector[i].iov_base, (gssize) vector[i].iov_len);
  return record;
}

static void
compare (const Record *a, Record b)
{
  check (g_string_equal (a->events, b.events) && g_string_equal (a->output, b.output));
  g_string_free (b.events, TRUE);
  g_string_free (b.output, TRUE);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (size <= CONTROL || size > MOST_INPUT)
    return 0;
  const uint8_t *text = data + CONTROL;
  size_t length = size - CONTROL;
  Record whole = run (data, text, length, length, FALSE);

  compare (&whole, run (data, text, length, 1, FALSE));
  compare (&whole, run (data, text, length, length, TRUE));
  compare (&whole, run (data, text, length, 1 + data[0] % 16, TRUE));
  g_string_free (whole.events, TRUE);
  g_string_free (whole.output, TRUE);
  return 0;
}
