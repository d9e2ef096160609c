/* Fuzzes the client machine: a server that says anything, a host that does anything allowed. The
 * conversation runs with whole segments and again octet by octet; what was told and what was
 * written must be equal, and every reply must be valid. Input: one octet of TLS policy, then
 * segments that end with 0xFF; a segment's first octet is what the host does behind it. */
#include "smtp/client.h"

#include <stdint.h>
#include <string.h>

#define LONGEST_INPUT 20000

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

typedef struct
{
  SmtpClient *client;
  GString *record;
  gboolean ready;
  gboolean in_data;
  gboolean wants_tls;
  gboolean challenged;
  guint tag;
} Run;

static void
take_event (Run *run, const SmtpClientEvent *event)
{
  g_autofree gchar *reply = event->reply != NULL ? base_reply_to_string (event->reply) : NULL;

  g_string_append_printf (run->record, "E %d %d %u %d %s\n", event->type, event->command,
                          event->tag, event->from_server, reply != NULL ? reply : "");
  g_assert (event->reply == NULL || base_reply_is_valid (event->reply));
  run->challenged = event->type == SMTP_CLIENT_CHALLENGE;
  run->wants_tls = event->type == SMTP_CLIENT_START_TLS;
  run->ready = run->ready || event->type == SMTP_CLIENT_READY;
  if (event->type == SMTP_CLIENT_REPLY && event->command == SMTP_CLIENT_COMMAND_DATA)
    run->in_data = event->reply->code == 354;
  if (event->type == SMTP_CLIENT_REPLY && event->command == SMTP_CLIENT_COMMAND_XCLIENT)
    run->ready = event->reply->code >= 400; /* until READY comes again */
  if (event->type == SMTP_CLIENT_FAILED)
    run->ready = run->in_data = run->challenged = FALSE;
}

static void
feed (Run *run, const guint8 *bytes, gsize length)
{
  g_autofree guint8 *copy = g_memdup2 (bytes, length);
  const SmtpClientEvent *event;

  smtp_client_feed (run->client, copy, length);
  while ((event = smtp_client_next (run->client)) != NULL)
    take_event (run, event);
  smtp_client_settle (run->client);
}

static void
take_output (Run *run)
{
  BaseOutput *output = smtp_client_output (run->client);
  static const gchar scram[] = "AUTH SCRAM-SHA-256 ";
  struct iovec part;

  while (base_output_iovec (output, &part, 1) > 0)
    {
      gboolean nonce
          = part.iov_len > strlen (scram) && memcmp (part.iov_base, scram, strlen (scram)) == 0;
      /* What was made at random is another text in each run. */
      g_string_append_len (run->record, part.iov_base,
                           (gssize) (nonce ? strlen (scram) : part.iov_len));
      base_output_consume (output, part.iov_len);
    }
}

static void
act_in_data (Run *run, guint8 action, const guint8 *bytes, gsize length)
{
  smtp_client_body (run->client, bytes, length);
  if ((action & 1) == 0)
    return;
  smtp_client_end (run->client, ++run->tag);
  run->in_data = FALSE;
}

static void
act_ready (Run *run, guint8 action, const guint8 *bytes, gsize length)
{
  static const gchar *const parameters[] = { "SIZE=1", "BODY=8BITMIME", "RET=FULL", NULL };
  g_autofree gchar *address = g_strndup ((const gchar *) bytes, MIN (length, 20));
  g_autoptr (BasePath) path = base_path_new (address, parameters);

  if (action & 1)
    smtp_client_mail (run->client, path, ++run->tag);
  for (guint i = 0; i < (action >> 4) * 10u; i++)
    smtp_client_rcpt (run->client, path, ++run->tag);
  if (action & 2)
    smtp_client_data (run->client, ++run->tag);
  if (action & 4)
    smtp_client_rset (run->client, ++run->tag);
  if ((action & 15) == 8)
    smtp_client_noop (run->client, ++run->tag);
  if ((action & 15) == 9)
    smtp_client_quit (run->client);
}

/* Commands of the extensions; only what the server offered may be given. */
static void
act_extended (Run *run, guint8 action, const guint8 *bytes, gsize length)
{
  SmtpClient *client = run->client;
  g_autofree gchar *text = g_strndup ((const gchar *) bytes, MIN (length, 300));
  g_autofree gchar *name = g_strconcat ("NAME=", text, NULL);
  const gchar *const attributes[] = { name, "ADDR=192.0.2.1", "x", NULL };

  if ((action & 15) == 10 && smtp_client_is_ready (client)
      && (smtp_client_capabilities (client).flags & SMTP_CAP_CHUNKING))
    smtp_client_bdat (client, bytes, length, (action & 16) != 0, ++run->tag);
  if ((action & 15) == 11)
    smtp_client_auth (client, "X", (action & 16) ? text : NULL, ++run->tag);
  if ((action & 15) == 12)
    smtp_client_xforward (client, attributes, ++run->tag);
  if ((action & 15) == 13)
    smtp_client_xclient (client, attributes, ++run->tag);
  if ((action & 15) == 14 && smtp_client_is_idle (client))
    smtp_client_login (client, text, text, ++run->tag);
}

static void
act (Run *run, guint8 action, const guint8 *bytes, gsize length)
{
  if (run->wants_tls)
    {
      run->wants_tls = FALSE;
      smtp_client_tls_started (run->client);
    }
  if (run->in_data)
    act_in_data (run, action, bytes, length);
  else if (run->challenged)
    {
      g_autofree gchar *text = g_strndup ((const gchar *) bytes, length);
      run->challenged = FALSE;
      smtp_client_auth_response (run->client, (action & 1) ? text : NULL);
    }
  else if (run->ready && (action & 15) >= 10)
    act_extended (run, action, bytes, length);
  else if (run->ready)
    act_ready (run, action, bytes, length);
  feed (run, NULL, 0);
  take_output (run);
}

/* Octet by octet, START_TLS is told before the octets behind the 220 that make it a fault. */
static void
forget_spoilt_tls (GString *record)
{
  gchar *start = strstr (record->str, "E 0 ");
  gchar *next = start != NULL ? strchr (start, '\n') : NULL;

  if (next != NULL && g_str_has_prefix (next + 1, "E 3 "))
    g_string_erase (record, start - record->str, next + 1 - start);
}

static gchar *
run_all (const guint8 *data, gsize size, gboolean whole)
{
  g_autoptr (SmtpClient) client = smtp_client_new ("gw.example.org", data[0] % 4);
  Run run = { client, g_string_new (NULL) };

  if (data[0] & 4)
    smtp_client_set_lmtp (client);
  for (gsize at = 1; at < size;)
    {
      guint8 action = data[at++];
      const guint8 *end = at < size ? memchr (data + at, 0xff, size - at) : NULL;
      gsize length = end != NULL ? (gsize) (end - data) - at : size - at;

      for (gsize i = 0; i < length; i += whole ? length : 1)
        feed (&run, data + at + i, whole ? length : 1);
      take_output (&run);
      act (&run, action, data + at, length);
      at += length + 1;
    }
  smtp_client_eof (client);
  feed (&run, NULL, 0);
  forget_spoilt_tls (run.record);
  return g_string_free (run.record, FALSE);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree gchar *whole = NULL;
  g_autofree gchar *single = NULL;

  if (size == 0 || size > LONGEST_INPUT)
    return 0;
  whole = run_all (data, size, TRUE);
  single = run_all (data, size, FALSE);
  g_assert_cmpstr (whole, ==, single);
  return 0;
}
