/* Load without retries, see kit-load.h. A session that loses its connection makes a new one and
 * goes on with the next message; a peer that stays silent past the kit's patience fails the test.
 */
#include "kit-load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ID_FIELD "X-Load-Id: "
#define END_MARK "end of "
/* Seconds until a silent peer fails the test: beyond every time-out that a test configures, and
 * beyond what a busy disk may take over its syncs. */
#define SILENCE 60
#define PAUSE 10000 /* µs after anything but success */

struct _KitLoad
{
  KitLoadPlan plan;
  GPtrArray *threads;
  gint stop;
  guint number; /* of this load, in its messages' names */
  GMutex lock;
  KitLoadCounts counts;
  GHashTable *accepted; /* ids; owned */
  gchar *refusal;       /* the last one, for the reader of a failure */
};

typedef struct
{
  KitLoad *load;
  guint number;
  guint sent;        /* messages */
  const gchar *last; /* what it waits for the answer to */
  gint fd;           /* -1: not connected */
  GString *input;
} Session;

/* ---- One session's dialogue ---- */

static void
count (KitLoad *load, guint *counter)
{
  g_mutex_lock (&load->lock);
  (*counter)++;
  g_mutex_unlock (&load->lock);
}

static void
hang_up (Session *session)
{
  if (session->fd >= 0)
    close (session->fd);
  session->fd = -1;
}

static gboolean
connect_session (Session *session)
{
  const struct timeval patience = { .tv_sec = SILENCE };
  struct sockaddr_in address = { .sin_family = AF_INET };

  address.sin_port = htons ((guint16) session->load->plan.port);
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  session->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt (session->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt (session->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  g_string_truncate (session->input, 0);
  session->last = "the connection";
  if (connect (session->fd, (struct sockaddr *) &address, sizeof address) == 0)
    return TRUE;
  hang_up (session);
  return FALSE;
}

static void
keep_refusal (KitLoad *load, const gchar *reply, gsize length)
{
  if (reply[0] != '4' && reply[0] != '5')
    return;
  g_mutex_lock (&load->lock);
  g_free (load->refusal);
  load->refusal = g_strndup (reply, length);
  g_mutex_unlock (&load->lock);
}

/* The code of the last line of a whole reply, which is taken from the input; 0: not there yet. */
static guint
take_reply (KitLoad *load, GString *input)
{
  const gchar *line = input->str;
  const gchar *end;

  while ((end = strstr (line, "\r\n")) != NULL)
    {
      if (end - line >= 3 && line[3] != '-')
        {
          const guint code = (guint) strtoul (line, NULL, 10);
          keep_refusal (load, line, (gsize) (end - line));
          g_string_erase (input, 0, end + 2 - input->str);
          return code;
        }
      line = end + 2;
    }
  return 0;
}

/* 0: the connection has ended. */
static guint
read_reply (Session *session)
{
  guint code;

  while ((code = take_reply (session->load, session->input)) == 0)
    {
      gchar bytes[2048];
      const gssize got = recv (session->fd, bytes, sizeof bytes, 0);

      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        g_error ("load session %u: no reply to %s within %d s", session->number, session->last,
                 SILENCE);
      if (got <= 0)
        return 0;
      g_string_append_len (session->input, bytes, got);
    }
  return code;
}

static guint
ask (Session *session, const gchar *line, gsize length)
{
  while (length > 0)
    {
      const gssize written = send (session->fd, line, length, MSG_NOSIGNAL);
      if (written <= 0)
        break; /* a last reply may still be there to read */
      line += written;
      length -= (gsize) written;
    }
  return read_reply (session);
}

static guint
ask_line (Session *session, const gchar *verb, const gchar *argument)
{
  g_autofree gchar *line = g_strconcat (verb, argument, "\r\n", NULL);
  session->last = verb;
  return ask (session, line, strlen (line));
}

static guint
ask_path (Session *session, const gchar *verb, const gchar *path, const gchar *otherwise)
{
  g_autofree gchar *argument = g_strdup_printf ("<%s>", path != NULL ? path : otherwise);
  return ask_line (session, verb, argument);
}

/* ---- A message ---- */

static GString *
compose (const Session *session, const gchar *id)
{
  GString *text = g_string_new (ID_FIELD);

  g_string_append_printf (text, "%s\r\nSubject: load\r\n\r\n", id);
  for (gsize i = 0; i < session->load->plan.body; i += 64)
    g_string_append (text, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n");
  g_string_append_printf (text, END_MARK "%s\r\n.\r\n", id);
  return text;
}

/* The connection is used up after 421 and after its end. */
static void
note_fate (Session *session, guint code)
{
  KitLoadCounts *counts = &session->load->counts;

  if (code == 0)
    count (session->load, &counts->lost);
  else if (code == 421)
    count (session->load, &counts->inside);
  else if (code >= 500)
    count (session->load, &counts->rejected);
  else
    count (session->load, &counts->deferred);
  if (code == 0 || code == 421 || ask_line (session, "RSET", "") == 0)
    hang_up (session);
  g_usleep (PAUSE);
}

static void
note_outside (Session *session, guint code)
{
  KitLoadCounts *counts = &session->load->counts;

  if (code == 421)
    count (session->load, &counts->farewells);
  else if (code == 0)
    count (session->load, &counts->cut);
  else
    count (session->load, &counts->deferred);
  if (code == 421 || code == 0)
    hang_up (session);
}

static void
note_accepted (KitLoad *load, const gchar *id)
{
  g_mutex_lock (&load->lock);
  load->counts.accepted++;
  g_hash_table_add (load->accepted, g_strdup (id));
  g_mutex_unlock (&load->lock);
}

static guint
send_body (Session *session, const gchar *id)
{
  g_autoptr (GString) text = compose (session, id);
  session->last = "the message";
  return ask (session, text->str, text->len);
}

static void
send_message (Session *session)
{
  const KitLoadPlan *plan = &session->load->plan;
  g_autofree gchar *id
      = g_strdup_printf ("%u-%u-%u", session->load->number, session->number, session->sent++);
  guint code = ask_path (session, "MAIL FROM:", plan->from, "good@client.test");

  if (code != 250)
    {
      note_outside (session, code);
      return;
    }
  code = ask_path (session, "RCPT TO:", plan->to, "b@up.test");
  if (code == 250)
    code = ask_line (session, "DATA", "");
  if (code == 354)
    code = send_body (session, id);
  if (code == 250)
    note_accepted (session->load, id);
  else
    note_fate (session, code);
}

/* ---- Threads ---- */

/* FALSE: there is no session to be had now. */
static gboolean
greet (Session *session)
{
  guint code = connect_session (session) ? read_reply (session) : 0;

  if (code == 0)
    count (session->load, &session->load->counts.unconnected);
  else if (code == 220 && (code = ask_line (session, "EHLO ", "client.test")) == 250)
    return TRUE;
  else
    note_outside (session, code);
  hang_up (session);
  g_usleep (PAUSE);
  return FALSE;
}

static void
leave (Session *session)
{
  if (session->fd >= 0)
    (void) ask_line (session, "QUIT", "");
  hang_up (session);
}

static gpointer
run_session (gpointer data)
{
  Session *session = data;
  KitLoad *load = session->load;

  while (!g_atomic_int_get (&load->stop))
    {
      if (session->fd < 0 && !greet (session))
        continue;
      send_message (session);
      if (load->plan.per_connection != 0 && session->sent % load->plan.per_connection == 0)
        leave (session);
    }
  leave (session);
  g_string_free (session->input, TRUE);
  g_free (session);
  return NULL;
}

KitLoad *
kit_load_start (const KitLoadPlan *plan)
{
  static guint loads;
  KitLoad *load = g_new0 (KitLoad, 1);

  load->plan = *plan;
  load->number = ++loads;
  load->accepted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  load->threads = g_ptr_array_new ();
  g_mutex_init (&load->lock);
  for (guint i = 0; i < plan->sessions; i++)
    {
      Session *session = g_new0 (Session, 1);
      session->load = load;
      session->number = i;
      session->fd = -1;
      session->input = g_string_new (NULL);
      g_ptr_array_add (load->threads, g_thread_new ("load", run_session, session));
    }
  return load;
}

void
kit_load_stop (KitLoad *load)
{
  g_atomic_int_set (&load->stop, TRUE);
  for (guint i = 0; i < load->threads->len; i++)
    g_thread_join (load->threads->pdata[i]);
  g_ptr_array_set_size (load->threads, 0);
}

void
kit_load_free (KitLoad *load)
{
  g_ptr_array_unref (load->threads);
  g_hash_table_unref (load->accepted);
  g_mutex_clear (&load->lock);
  g_free (load->refusal);
  g_free (load);
}

/* ---- What became of it ---- */

KitLoadCounts
kit_load_counts (KitLoad *load)
{
  g_mutex_lock (&load->lock);
  const KitLoadCounts counts = load->counts;
  g_mutex_unlock (&load->lock);
  return counts;
}

void
kit_load_tell (KitLoad *load, const gchar *when)
{
  const KitLoadCounts counts = kit_load_counts (load);

  g_test_message ("%s: %u accepted, %u deferred, %u rejected, %u lost, %u farewells, %u 421 inside "
                  "a transaction, %u cut, %u not connected",
                  when, counts.accepted, counts.deferred, counts.rejected, counts.lost,
                  counts.farewells, counts.inside, counts.cut, counts.unconnected);
  if (load->refusal != NULL)
    g_test_message ("the last refusal: %s", load->refusal);
}

void
kit_load_wait (KitLoad *load, guint more)
{
  const guint goal = kit_load_counts (load).accepted + more;

  for (guint i = 0; i < SILENCE * 100; i++)
    {
      if (kit_load_counts (load).accepted >= goal)
        return;
      g_usleep (10000);
    }
  kit_load_tell (load, "no progress");
  g_error ("the load was to have %u messages accepted, but has %u", goal,
           kit_load_counts (load).accepted);
}

void
kit_load_assert_all_accepted (KitLoad *load)
{
  const KitLoadCounts counts = kit_load_counts (load);

  kit_load_tell (load, "load");
  g_assert_cmpuint (counts.deferred, ==, 0);
  g_assert_cmpuint (counts.rejected, ==, 0);
  g_assert_cmpuint (counts.lost, ==, 0);
  g_assert_cmpuint (counts.inside, ==, 0);
  g_assert_cmpuint (counts.cut, ==, 0);
  g_assert_cmpuint (counts.unconnected, ==, 0);
}

/* The id of a whole message of this load; NULL: it is none. Caller frees. */
static gchar *
id_of (const KitLoad *load, const gchar *message)
{
  const gchar *field = strstr (message, ID_FIELD);
  g_autofree gchar *start = g_strdup_printf ("%u-", load->number);
  g_autofree gchar *id = NULL;
  g_autofree gchar *mark = NULL;

  if (field == NULL)
    return NULL;
  field += strlen (ID_FIELD);
  id = g_strndup (field, strcspn (field, "\r\n"));
  mark = g_strdup_printf ("\n" END_MARK "%s", id);
  if (!g_str_has_prefix (id, start) || strstr (message, mark) == NULL)
    return NULL;
  return g_steal_pointer (&id);
}

static void
count_messages (const KitLoad *load, const gchar *folder, GHashTable *found)
{
  g_autoptr (GPtrArray) messages = kit_messages (folder);

  for (guint i = 0; i < messages->len; i++)
    {
      gchar *id = id_of (load, messages->pdata[i]);
      const guint before = id == NULL ? 0 : GPOINTER_TO_UINT (g_hash_table_lookup (found, id));
      if (id != NULL)
        g_hash_table_insert (found, id, GUINT_TO_POINTER (before + 1));
    }
}

/* In the folder, and in those right below it. */
static GHashTable *
count_ids (const KitLoad *load, const gchar *folder)
{
  GHashTable *found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  count_messages (load, folder, found);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *below = g_build_filename (folder, name, NULL);
      if (g_file_test (below, G_FILE_TEST_IS_DIR))
        count_messages (load, below, found);
    }
  return found;
}

void
kit_load_check (KitLoad *load, const gchar *folder)
{
  g_autoptr (GHashTable) found = count_ids (load, folder);
  GHashTableIter iter;
  gpointer id, times;
  guint missing = 0;

  g_hash_table_iter_init (&iter, load->accepted);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    if (!g_hash_table_contains (found, id))
      missing++;
  if (missing > 0)
    g_error ("%u of %u accepted messages are not in %s", missing,
             g_hash_table_size (load->accepted), folder);
  g_hash_table_iter_init (&iter, found);
  while (g_hash_table_iter_next (&iter, &id, &times))
    if (GPOINTER_TO_UINT (times) != 1)
      g_error ("message %s is in %s %u times", (gchar *) id, folder, GPOINTER_TO_UINT (times));
  g_test_message ("%u messages accepted, %u at the destination", g_hash_table_size (load->accepted),
                  g_hash_table_size (found));
}
