/* Splicing parts: exact bytes on small messages, and on the corpus (MAILWEIR_CORPUS, when it is
 * there) the law that after replacing any one leaf every other leaf is byte for byte what it was.
 */
#include <string.h>

#include "mime/decode.h"
#include "mime/guard.h"
#include "mime/splice.h"

#define ENTITY "Content-Type: text/x-new\r\n\r\nnew"

static const gchar mixed[] = "From: a@b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                             "prologue\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
                             "--b\r\nContent-Type: text/html\r\n\r\ntwo\r\n--b--\r\nepilogue\r\n";

typedef struct
{
  GBytes *bytes;
  MimeView *view;
  MimeSplice *splice;
} Case;

static void
open_case (Case *c, GBytes *bytes)
{
  c->bytes = g_bytes_ref (bytes);
  c->view = mime_view_new (bytes, FALSE);
  c->splice = mime_splice_new (c->view);
}

static void
open_text (Case *c, const gchar *text)
{
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));

  open_case (c, bytes);
  g_assert_nonnull (mime_view_message (c->view));
}

static GBytes *
finish (Case *c)
{
  g_autoptr (MessageEdits) edits = message_edits_new ();
  g_autoptr (GError) error = NULL;
  gsize length = 0;
  const guint8 *data = g_bytes_get_data (c->bytes, &length);
  MessageSource source = message_source_from_memory (data, length);
  GBytes *result = NULL;

  g_assert_true (mime_splice_finish (c->splice, edits, TRUE, &error));
  g_assert_no_error (error);
  result = message_edits_apply (edits, &source, &error);
  g_assert_no_error (error);
  return result;
}

static void
close_case (Case *c)
{
  mime_splice_free (c->splice);
  mime_view_free (c->view);
  g_bytes_unref (c->bytes);
}

static void
expect_text (Case *c, const gchar *expected)
{
  g_autoptr (GBytes) result = finish (c);
  g_autofree gchar *text = g_strndup (g_bytes_get_data (result, NULL), g_bytes_get_size (result));

  g_assert_cmpstr (text, ==, expected);
  close_case (c);
}

static GMimeObject *
root_of (const Case *c)
{
  return g_mime_message_get_mime_part (mime_view_message (c->view));
}

static GMimeObject *
child_of (GMimeObject *multipart, gint index)
{
  return g_mime_multipart_get_part (GMIME_MULTIPART (multipart), index);
}

static void
replace (Case *c, GMimeObject *part, const gchar *entity)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (mime_splice_replace (c->splice, part, entity, strlen (entity), &error));
  g_assert_no_error (error);
}

static void
discard (Case *c, GMimeObject *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (mime_splice_remove (c->splice, part, &error));
  g_assert_no_error (error);
}

static void
insert (Case *c, GMimeObject *multipart, guint position, const gchar *entity)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (
      mime_splice_insert (c->splice, multipart, position, entity, strlen (entity), &error));
  g_assert_no_error (error);
}

static void
test_replace (void)
{
  Case c;

  open_text (&c, mixed);
  replace (&c, child_of (root_of (&c), 0), "Content-Type: a/b\r\n\r\nfirst");
  replace (&c, child_of (root_of (&c), 0), ENTITY);
  expect_text (&c, "From: a@b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                   "prologue\r\n--b\r\n" ENTITY "\r\n"
                   "--b\r\nContent-Type: text/html\r\n\r\ntwo\r\n--b--\r\nepilogue\r\n");
}

static void
test_remove (void)
{
  Case c;

  open_text (&c, mixed);
  discard (&c, child_of (root_of (&c), 1));
  expect_text (&c, "From: a@b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                   "prologue\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
                   "--b--\r\nepilogue\r\n");
}

static void
test_remove_all (void)
{
  Case c;

  open_text (&c, mixed);
  discard (&c, child_of (root_of (&c), 0));
  discard (&c, child_of (root_of (&c), 1));
  expect_text (&c, "From: a@b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                   "prologue\r\n--b\r\nContent-Type: text/plain\r\n\r\n\r\n"
                   "--b--\r\nepilogue\r\n");
}

static void
test_insert (void)
{
  Case c;

  open_text (&c, mixed);
  insert (&c, root_of (&c), 0, ENTITY);
  insert (&c, root_of (&c), 9, ENTITY);
  discard (&c, child_of (root_of (&c), 0));
  expect_text (&c, "From: a@b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                   "prologue\r\n--b\r\n" ENTITY "\r\n"
                   "--b\r\nContent-Type: text/html\r\n\r\ntwo\r\n--b\r\n" ENTITY
                   "\r\n--b--\r\nepilogue\r\n");
}

static void
test_insert_unterminated (void)
{
  Case c;

  open_text (&c, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none");
  insert (&c, root_of (&c), 1, ENTITY);
  expect_text (&c, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n"
                   "--b\r\n" ENTITY);
}

static void
test_empty_part (void)
{
  Case c;

  open_text (&c, "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
                 "--b\r\n\r\n--b\r\nX: y\r\n--b\r\n\r\nx\r\n--b--");
  replace (&c, child_of (root_of (&c), 0), ENTITY);
  replace (&c, child_of (root_of (&c), 1), ENTITY);
  expect_text (&c, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" ENTITY
                   "\r\n--b\r\n" ENTITY "\r\n--b\r\n\r\nx\r\n--b--");
}

static void
test_root (void)
{
  Case c;

  open_text (&c, "Subject: s\r\nContent-Type: text/html\r\nX: y\r\n"
                 "Content-Transfer-Encoding: 7bit\r\n\r\nold\r\n");
  replace (&c, root_of (&c), ENTITY);
  expect_text (&c, "Subject: s\r\nContent-Type: text/x-new\r\nX: y\r\n\r\nnew");
  open_text (&c, "Subject: s\r\n\r\nold\r\n");
  replace (&c, root_of (&c), ENTITY);
  expect_text (&c, "Subject: s\r\nContent-Type: text/x-new\r\n\r\nnew");
  open_text (&c, "Subject: s\r\nContent-Type: a/b\r\n\r\nold\r\n");
  discard (&c, root_of (&c));
  expect_text (&c, "Subject: s\r\nContent-Type: text/plain\r\n\r\n");
  open_text (&c, "Subject: s\r\nContent-Type: a/b\r\n");
  replace (&c, root_of (&c), ENTITY);
  expect_text (&c, "Subject: s\r\nContent-Type: text/x-new\r\n\r\nnew");
}

/* The only part of a message inside: its other fields stay. */
static void
test_root_inside (void)
{
  Case c;
  GMimeObject *inner = NULL;

  open_text (&c, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                 "Content-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: a/b\r\n\r\n"
                 "old\r\n--b--\r\n");
  inner = child_of (root_of (&c), 0);
  inner
      = g_mime_message_get_mime_part (g_mime_message_part_get_message (GMIME_MESSAGE_PART (inner)));
  replace (&c, inner, ENTITY);
  expect_text (&c, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                   "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n" ENTITY "\r\n--b--\r\n");
}

static void
test_inside_of_removed (void)
{
  Case c;
  g_autoptr (GError) error = NULL;

  open_text (&c, mixed);
  replace (&c, child_of (root_of (&c), 0), ENTITY);
  discard (&c, root_of (&c));
  g_assert_false (
      mime_splice_replace (c.splice, child_of (root_of (&c), 1), ENTITY, strlen (ENTITY), &error));
  g_assert_nonnull (error);
  expect_text (&c, "From: a@b\r\nContent-Type: text/plain\r\n\r\n");
}

static void
refuse (Case *c, GMimeObject *part, const gchar *entity)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (mime_splice_replace (c->splice, part, entity, strlen (entity), &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
}

static void
test_refused (void)
{
  Case c, other;

  open_text (&c, mixed);
  open_text (&other, mixed);
  refuse (&c, child_of (root_of (&other), 0), ENTITY);
  refuse (&c, child_of (root_of (&c), 0), "no blank line");
  refuse (&c, child_of (root_of (&c), 0), "Content-Type: a/b\r\n");
  close_case (&other);
  expect_text (&c, mixed);
  /* The same boundary inside and outside: nobody knows whose a delimiter is. */
  open_text (&c, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                 "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
                 "--b\r\n\r\ny\r\n--b--\r\n");
  refuse (&c, child_of (root_of (&c), 0), ENTITY);
  close_case (&c);
}

static void
test_no_mime (void)
{
  static const gchar *const texts[] = { "", "no header\r\n\r\nbody\r\n", "\r\nbody\r\n" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (texts[i], strlen (texts[i]));
      g_autoptr (MimeView) view = mime_view_new (bytes, FALSE);
      GMimeMessage *message = mime_view_message (view);

      g_assert_true (message == NULL || g_mime_message_get_mime_part (message) != NULL);
      if (i < 2)
        g_assert_null (message);
    }
}

/* ---- The corpus ---- */

static void
collect (GMimeObject *part, GPtrArray *leaves)
{
  if (GMIME_IS_MULTIPART (part))
    for (gint i = 0; i < g_mime_multipart_get_count (GMIME_MULTIPART (part)); i++)
      collect (child_of (part, i), leaves);
  else if (GMIME_IS_MESSAGE_PART (part))
    {
      GMimeMessage *inner = g_mime_message_part_get_message (GMIME_MESSAGE_PART (part));

      if (inner != NULL && g_mime_message_get_mime_part (inner) != NULL)
        collect (g_mime_message_get_mime_part (inner), leaves);
    }
  else if (GMIME_IS_PART (part) && g_mime_part_get_content (GMIME_PART (part)) != NULL)
    g_ptr_array_add (leaves, part);
}

static GPtrArray *
leaves_of (MimeView *view)
{
  GPtrArray *leaves = g_ptr_array_new ();
  GMimeMessage *message = mime_view_message (view);

  if (message != NULL && g_mime_message_get_mime_part (message) != NULL)
    collect (g_mime_message_get_mime_part (message), leaves);
  return leaves;
}

static GBytes *
content_of (MimeView *view, GMimeObject *part)
{
  GMimeStream *stream
      = g_mime_data_wrapper_get_stream (g_mime_part_get_content (GMIME_PART (part)));
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (mime_view_bytes (view), &size);
  gsize end = stream->bound_end < 0 ? size : (gsize) stream->bound_end;

  return g_bytes_new (data + stream->bound_start, end - (gsize) stream->bound_start);
}

static guint
replace_leaf (GBytes *bytes, guint index)
{
  Case c;
  g_autoptr (GPtrArray) before = NULL;
  g_autoptr (GPtrArray) after = NULL;
  g_autoptr (GBytes) result = NULL;
  g_autoptr (MimeView) again = NULL;
  guint done = 0;

  open_case (&c, bytes);
  before = leaves_of (c.view);
  if (mime_splice_replace (c.splice, before->pdata[index], ENTITY, strlen (ENTITY), NULL))
    {
      result = finish (&c);
      again = mime_view_new (result, FALSE);
      after = leaves_of (again);
      g_assert_cmpuint (after->len, ==, before->len);
      for (guint i = 0; i < before->len; i++)
        {
          g_autoptr (GBytes) was = content_of (c.view, before->pdata[i]);
          g_autoptr (GBytes) is = content_of (again, after->pdata[i]);

          if (i != index)
            g_assert_true (g_bytes_equal (was, is));
          else
            g_assert_cmpint (memcmp (g_bytes_get_data (is, NULL), "new", 3), ==, 0);
        }
      done = 1;
    }
  close_case (&c);
  return done;
}

/* To wire form: CRLF, and no "From " line of an mbox. */
static GBytes *
to_wire (const gchar *text, gsize length)
{
  GByteArray *out = g_byte_array_new ();
  gsize start = length >= 5 && memcmp (text, "From ", 5) == 0 ? strcspn (text, "\n") + 1 : 0;

  for (gsize i = start; i < length; i++)
    {
      if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
        g_byte_array_append (out, (const guint8 *) "\r", 1);
      g_byte_array_append (out, (const guint8 *) text + i, 1);
    }
  return g_byte_array_free_to_bytes (out);
}

static void
try_file (const gchar *path, guint *tried, guint *done)
{
  const MimeLimits limits = MIME_LIMITS_DEFAULT;
  g_autofree gchar *text = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (MimeView) view = NULL;
  g_autoptr (GPtrArray) leaves = NULL;
  MimeProblem problem;
  gsize length = 0;

  if (!g_file_get_contents (path, &text, &length, NULL) || length == 0 || length > 1024 * 1024)
    return;
  bytes = to_wire (text, length);
  if (!mime_guard_check (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), FALSE, &limits,
                         NULL, &problem))
    return;
  view = mime_view_new (bytes, FALSE);
  leaves = leaves_of (view);
  for (guint i = 0; i < MIN (leaves->len, 20); i++)
    {
      (*tried)++;
      *done += replace_leaf (bytes, i);
    }
}

static void
walk (const gchar *path, guint *tried, guint *done)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *name = NULL;

  if (dir == NULL)
    try_file (path, tried, done);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *inner = g_build_filename (path, name, NULL);

      walk (inner, tried, done);
    }
}

static void
test_corpus (void)
{
  const gchar *corpus = g_getenv ("MAILWEIR_CORPUS");
  guint tried = 0, done = 0;

  if (corpus == NULL || *corpus == '\0')
    {
      g_test_skip ("MAILWEIR_CORPUS is not set");
      return;
    }
  walk (corpus, &tried, &done);
  g_test_message ("%u of %u leaves spliced", done, tried);
  g_assert_cmpuint (tried, >, 0);
  /* The rest stand in messages that can be read in two ways, and are refused. */
  g_assert_cmpuint (done, >, tried * 95 / 100);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  mime_init ();
  g_test_add_func ("/mime/splice/replace", test_replace);
  g_test_add_func ("/mime/splice/remove", test_remove);
  g_test_add_func ("/mime/splice/remove-all", test_remove_all);
  g_test_add_func ("/mime/splice/insert", test_insert);
  g_test_add_func ("/mime/splice/insert-unterminated", test_insert_unterminated);
  g_test_add_func ("/mime/splice/empty-part", test_empty_part);
  g_test_add_func ("/mime/splice/root", test_root);
  g_test_add_func ("/mime/splice/root-inside", test_root_inside);
  g_test_add_func ("/mime/splice/inside-of-removed", test_inside_of_removed);
  g_test_add_func ("/mime/splice/refused", test_refused);
  g_test_add_func ("/mime/splice/no-mime", test_no_mime);
  g_test_add_func ("/mime/splice/corpus", test_corpus);
  return g_test_run ();
}
