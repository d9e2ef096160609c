/* Tests of messages that a filter has seen whole and that stand in a spool's file: what reaches the
 * upstream, by whichever way it is read back. */
#include "harness.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

#define LINES 12000

static gboolean
pass (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  g_assert_cmpint (request->message_descriptor, >=, 0);
  return TRUE;
}

/* As a worker that somebody else has taken over would. */
static gboolean
open_for_writing (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  g_autofree gchar *path = g_strdup_printf ("/proc/self/fd/%d", request->message_descriptor);
  g_assert_cmpint (open (path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), ==, -1);
  return TRUE;
}

#define FIELD "X-New: 1\r\n"
#define CUT 300000
#define CUT_LENGTH 111

/* A field ahead of all, a line in the middle that begins in the middle of another one. */
static gboolean
edit (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  g_autoptr (GBytes) field = g_bytes_new_static (FIELD, strlen (FIELD));
  g_autoptr (GBytes) line = g_bytes_new_static ("\r\n.new\r\n", 8);
  record->edits = message_edits_new ();
  g_assert_true (message_edits_add (record->edits, 0, 0, field));
  g_assert_true (message_edits_add (record->edits, CUT, CUT_LENGTH, line));
  return TRUE;
}

typedef struct
{
  const gchar *name;
  HarnessFilter filter;
  gboolean dots;
  gboolean tls;
  gsize choke;
  gboolean slow;     /* the client's octets come in small pieces */
  gboolean by_lines; /* most of it goes out of the file */
} Case;

static const Case cases[] = {
  { "plain", pass, FALSE, FALSE, 0, FALSE, TRUE },
  { "plain/pieces", pass, FALSE, FALSE, 0, TRUE, TRUE },
  { "plain/choked", pass, FALSE, FALSE, 10000, FALSE, TRUE },
  { "plain/tls", pass, FALSE, TRUE, 0, FALSE, FALSE },
  { "dots", pass, TRUE, FALSE, 0, FALSE, FALSE },
  { "dots/choked", pass, TRUE, FALSE, 10000, FALSE, FALSE },
  { "edited", edit, FALSE, FALSE, 0, FALSE, TRUE },
  { "edited/choked", edit, FALSE, FALSE, 10000, TRUE, TRUE },
  { "edited/dots", edit, TRUE, FALSE, 0, FALSE, FALSE },
  { "opened-for-writing", open_for_writing, FALSE, FALSE, 0, FALSE, FALSE },
  { "opened-for-writing/dots", open_for_writing, TRUE, FALSE, 10000, FALSE, FALSE },
};

static void
append_line (GString *text, guint i, gboolean dots)
{
  g_string_append_printf (text, "%s%06u the weir lets the water through.\r\n",
                          dots && i % 1000 == 7 ? "." : "", i);
}

/* What the client says for it, and what the upstream gets. */
static GString *
make_message (gboolean dots, gboolean stuffed)
{
  GString *text = g_string_new ("Subject: big\r\n\r\n");
  for (guint i = 0; i < LINES; i++)
    {
      if (stuffed && dots && i % 1000 == 7)
        g_string_append_c (text, '.');
      append_line (text, i, dots);
    }
  return text;
}

static GString *
edited (const GString *text)
{
  GString *out = g_string_new (FIELD);
  g_string_append_len (out, text->str, CUT);
  g_string_append (out, "\r\n.new\r\n");
  g_string_append (out, text->str + CUT + CUT_LENGTH);
  return out;
}

static void
say_in_pieces (Harness *h, const GString *said, gsize step)
{
  for (gsize at = 0; at < said->len; at += step)
    harness_say_bytes (h, said->str + at, MIN (step, said->len - at));
}

static void
test_arrives (gconstpointer data)
{
  const Case *one = data;
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), 0, one->filter);
  g_autoptr (GString) said = make_message (one->dots, TRUE);
  g_autoptr (GString) text = make_message (one->dots, FALSE);
  g_autoptr (GString) changed = edited (text);
  const GString *expected = one->filter == edit ? changed : text;
  h->upstream_tls = one->tls ? "TLSv1.3" : NULL;
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  h->choke = one->choke;
  g_string_append (said, ".\r\n");
  say_in_pieces (h, said, one->slow ? 7777 : said->len);
  for (guint i = 0; i < 1000 && h->messages == 0; i++)
    {
      gateway_session_pump (h->session);
      harness_move (h);
    }
  g_assert_cmpuint (h->messages, ==, 1);
  const gchar *got = strstr (h->message->str, one->filter == edit ? FIELD : "Subject:");
  g_assert_cmpuint (strlen (got), ==, expected->len);
  g_assert_true (strcmp (got, expected->str) == 0);
  g_assert_cmpint (h->from_files > text->len / 2, ==, one->by_lines);
  g_assert_true (one->by_lines || h->from_files == 0);
}

static struct rlimit descriptors;

static gboolean
take_descriptors (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  struct rlimit none = { 0, 0 };
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &descriptors), ==, 0);
  none.rlim_max = descriptors.rlim_max;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &none), ==, 0);
  return TRUE;
}

static void
test_no_descriptors (void)
{
  g_autoptr (Harness) h
      = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), 0, take_descriptors);
  g_autoptr (GString) said = make_message (FALSE, FALSE);
  g_string_append (said, ".\r\n");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say_bytes (h, said->str, said->len);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &descriptors), ==, 0);
  g_autofree gchar *refusal = harness_heard (h);
  g_assert_cmpstr (refusal, ==, "451 4.3.0 The message can not be read back now\n");
  g_assert_cmpuint (h->messages, ==, 0);
  h->filter = pass;
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  harness_say_bytes (h, said->str, said->len);
  g_assert_cmpuint (h->messages, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_ERROR);
  g_test_add_func ("/gateway/spooled/no-descriptors", test_no_descriptors);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree gchar *path = g_strdup_printf ("/gateway/spooled/%s", cases[i].name);
      g_test_add_data_func (path, &cases[i], test_arrives);
    }
  return g_test_run ();
}
