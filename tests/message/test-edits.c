/* Tests of the edit list: which edits go together, and the law of composition with random lists
 * against plain byte arrays. */
#include "message/edits.h"

#include <string.h>

static gboolean
add (MessageEdits *edits, guint64 offset, guint64 removed, const gchar *text)
{
  g_autoptr (GBytes) inserted = text == NULL ? NULL : g_bytes_new (text, strlen (text));

  return message_edits_add (edits, offset, removed, inserted);
}

static gchar *
apply (const MessageEdits *edits, const gchar *original)
{
  g_autoptr (GError) error = NULL;
  MessageSource source = message_source_from_memory ((const guint8 *) original, strlen (original));
  g_autoptr (GBytes) result = message_edits_apply (edits, &source, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (result), ==, message_edits_result_size (edits, source.size));
  gsize length = g_bytes_get_size (result);
  return length == 0 ? g_strdup ("") : g_strndup (g_bytes_get_data (result, NULL), length);
}

static void
assert_applies (const MessageEdits *edits, const gchar *original, const gchar *expected)
{
  g_autofree gchar *result = apply (edits, original);

  g_assert_cmpstr (result, ==, expected);
}

static void
test_empty (void)
{
  g_autoptr (MessageEdits) edits = message_edits_new ();

  assert_applies (edits, "abc", "abc");
  assert_applies (edits, "", "");
  g_assert_true (add (edits, 1, 0, NULL));
  g_assert_true (add (edits, 1, 0, ""));
  g_assert_cmpuint (message_edits_count (edits), ==, 0);
  g_assert_true (message_edits_fit (edits, 0));
}

static void
test_add (void)
{
  g_autoptr (MessageEdits) edits = message_edits_new ();

  g_assert_true (add (edits, 6, 2, NULL));
  g_assert_true (add (edits, 0, 0, "<"));
  g_assert_true (add (edits, 3, 1, "DD"));
  g_assert_true (add (edits, 8, 0, ">"));
  g_assert_cmpuint (message_edits_count (edits), ==, 4);
  assert_applies (edits, "abcdefgh", "<abcDDef>");
  g_assert_true (message_edits_fit (edits, 8));
  g_assert_false (message_edits_fit (edits, 7));
}

static void
test_one_place (void)
{
  g_autoptr (MessageEdits) edits = message_edits_new ();

  g_assert_true (add (edits, 2, 0, "1"));
  g_assert_true (add (edits, 2, 0, "2"));
  g_assert_true (add (edits, 2, 3, "3"));
  g_assert_true (add (edits, 2, 0, "4"));
  /* At the end of the removed range: an edit of its own, behind it. */
  g_assert_true (add (edits, 5, 0, "5"));
  g_assert_cmpuint (message_edits_count (edits), ==, 2);
  assert_applies (edits, "abcdefgh", "ab12345fgh");
  g_assert_cmpuint (message_edits_nth (edits, 0)->removed, ==, 3);
  g_assert_true (add (edits, 2, 0, "6"));
  assert_applies (edits, "abcdefgh", "ab123465fgh");
}

static void
test_overlap (void)
{
  g_autoptr (MessageEdits) edits = message_edits_new ();

  g_assert_true (add (edits, 2, 4, NULL));
  g_assert_true (add (edits, 8, 0, "x"));
  g_assert_false (add (edits, 2, 1, NULL));
  g_assert_false (add (edits, 3, 0, "x"));
  g_assert_false (add (edits, 5, 1, NULL));
  g_assert_false (add (edits, 5, 9, NULL));
  g_assert_false (add (edits, 1, 2, NULL));
  g_assert_false (add (edits, 0, 8, NULL));
  g_assert_false (add (edits, 7, 2, NULL));
  g_assert_false (add (edits, G_MAXUINT64, 1, NULL));
  assert_applies (edits, "abcdefghi", "abghxi");
  g_assert_true (add (edits, 1, 1, NULL));
  g_assert_true (add (edits, 6, 2, NULL));
  g_assert_true (add (edits, 8, 1, NULL));
  assert_applies (edits, "abcdefghi", "ax");
}

static void
test_limit (void)
{
  g_autoptr (MessageEdits) edits = message_edits_new ();

  for (guint i = 0; i < MESSAGE_MAX_EDITS; i++)
    g_assert_true (add (edits, 2 * i, 1, NULL));
  g_assert_true (message_edits_fit (edits, 2 * MESSAGE_MAX_EDITS));
  g_assert_true (add (edits, 2 * MESSAGE_MAX_EDITS, 1, NULL));
  g_assert_false (message_edits_fit (edits, G_MAXUINT64));
}

/* Joining is linear: a quadratic list would copy 20 GB here. */
static void
test_many_at_one_place (void)
{
  g_autoptr (MessageEdits) edits = message_edits_new ();

  for (guint i = 0; i < 200000; i++)
    g_assert_true (add (edits, 3, 0, "y"));
  g_assert_cmpuint (message_edits_result_size (edits, 5), ==, 200005);
  g_assert_cmpuint (g_bytes_get_size (message_edits_nth (edits, 0)->inserted), ==, 200000);
}

/* A list that does not fit must not show bytes that are not there. */
static void
test_unfit (void)
{
  g_autoptr (MessageEdits) edits = message_edits_new ();
  MessageSource source = message_source_from_memory ((const guint8 *) "abc", 3);

  g_assert_true (add (edits, 1, 100, "x"));
  g_assert_true (add (edits, 500, 1, "y"));
  g_assert_false (message_edits_fit (edits, 3));
  g_autoptr (GBytes) result = message_edits_apply (edits, &source, NULL);
  g_assert_cmpmem (g_bytes_get_data (result, NULL), g_bytes_get_size (result), "axy", 3);
}

/* A removal or insertion in a model that remembers for each original byte whether it is there, and
 * what stands before it. */
typedef struct
{
  GString *before[70];
  gboolean removed[70];
} Model;

static void
model_apply (Model *model, const gchar *original, gsize length, GString *out)
{
  for (gsize i = 0; i <= length; i++)
    {
      if (model->before[i] != NULL)
        {
          g_string_append (out, model->before[i]->str);
          g_string_free (model->before[i], TRUE);
        }
      if (i < length && !model->removed[i])
        g_string_append_c (out, original[i]);
    }
}

/* Random edits to both; the model says what the list must yield. */
static void
make_random (MessageEdits *edits, const gchar *original, GString *expected)
{
  gsize length = strlen (original);
  Model model = { 0 };

  g_assert_cmpuint (length, <, G_N_ELEMENTS (model.removed));
  for (gint left = g_test_rand_int_range (0, 8); left > 0; left--)
    {
      gsize offset = (gsize) g_test_rand_int_range (0, (gint) length + 1);
      gsize removed = (gsize) g_test_rand_int_range (0, (gint) MIN (length - offset, 6) + 1);
      gchar text[4] = "";
      for (gint i = g_test_rand_int_range (0, 4) - 1; i >= 0; i--)
        text[i] = (gchar) g_test_rand_int_range ('A', 'Z' + 1);
      text[3] = '\0';
      if (!add (edits, offset, removed, text[0] == '\0' ? NULL : text))
        continue;
      if (model.before[offset] == NULL)
        model.before[offset] = g_string_new (NULL);
      g_string_append (model.before[offset], text);
      for (gsize i = 0; i < removed; i++)
        model.removed[offset + i] = TRUE;
    }
  model_apply (&model, original, length, expected);
}

static void
check_round (void)
{
  g_autofree gchar *original = g_strnfill ((gsize) g_test_rand_int_range (0, 30), 'a');
  g_autoptr (MessageEdits) first = message_edits_new ();
  g_autoptr (MessageEdits) second = message_edits_new ();
  g_autoptr (GString) middle = g_string_new (NULL);
  g_autoptr (GString) last = g_string_new (NULL);

  for (gsize i = 0; original[i] != '\0'; i++)
    original[i] = (gchar) ('a' + i % 26);
  gsize size = strlen (original);
  make_random (first, original, middle);
  assert_applies (first, original, middle->str);
  make_random (second, middle->str, last);
  assert_applies (second, middle->str, last->str);
  g_autoptr (MessageEdits) both = message_edits_compose (first, second, size);
  assert_applies (both, original, last->str);
  g_assert_true (message_edits_fit (both, size));
  for (guint i = 1; i < message_edits_count (both); i++)
    g_assert_cmpuint (message_edits_nth (both, i - 1)->offset
                          + message_edits_nth (both, i - 1)->removed,
                      <, message_edits_nth (both, i)->offset);
}

static void
test_laws (void)
{
  for (guint i = 0; i < 20000; i++)
    check_round ();
}

/* compose (compose (A, B), C) does what compose (A, compose (B, C)) does. */
static void
test_associative (void)
{
  for (guint i = 0; i < 5000; i++)
    {
      const gchar *original = "abcdefghijklmnop";
      g_autoptr (MessageEdits) a = message_edits_new ();
      g_autoptr (MessageEdits) b = message_edits_new ();
      g_autoptr (MessageEdits) c = message_edits_new ();
      g_autoptr (GString) one = g_string_new (NULL);
      g_autoptr (GString) two = g_string_new (NULL);
      g_autoptr (GString) three = g_string_new (NULL);
      make_random (a, original, one);
      make_random (b, one->str, two);
      make_random (c, two->str, three);
      g_autoptr (MessageEdits) ab = message_edits_compose (a, b, 16);
      g_autoptr (MessageEdits) left = message_edits_compose (ab, c, 16);
      g_autoptr (MessageEdits) bc = message_edits_compose (b, c, one->len);
      g_autoptr (MessageEdits) right = message_edits_compose (a, bc, 16);
      assert_applies (left, original, three->str);
      assert_applies (right, original, three->str);
    }
}

static void
test_chain_order (void)
{
  g_autoptr (MessageEdits) first = message_edits_new ();
  g_autoptr (MessageEdits) second = message_edits_new ();

  g_assert_true (add (first, 0, 0, "X-First: 1\r\n"));
  g_assert_true (add (second, strlen ("X-First: 1\r\n"), 0, "X-Second: 2\r\n"));
  g_autoptr (MessageEdits) both = message_edits_compose (first, second, 6);
  assert_applies (both, "A: b\r\n", "X-First: 1\r\nX-Second: 2\r\nA: b\r\n");
  g_assert_cmpuint (message_edits_count (both), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/message/edits/empty", test_empty);
  g_test_add_func ("/message/edits/add", test_add);
  g_test_add_func ("/message/edits/one-place", test_one_place);
  g_test_add_func ("/message/edits/overlap", test_overlap);
  g_test_add_func ("/message/edits/limit", test_limit);
  g_test_add_func ("/message/edits/many-at-one-place", test_many_at_one_place);
  g_test_add_func ("/message/edits/unfit", test_unfit);
  g_test_add_func ("/message/edits/laws", test_laws);
  g_test_add_func ("/message/edits/associative", test_associative);
  g_test_add_func ("/message/edits/chain-order", test_chain_order);
  return g_test_run ();
}
