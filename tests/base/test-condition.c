/* Conditions of `only-if`: what can be read, what each kind holds against, what is not known yet.
 */
#include "base/condition.h"

#include <string.h>

static const gchar *
note (gconstpointer notes, const gchar *name)
{
  return strcmp (name, "spam") == 0 ? "7" : strcmp (name, "empty") == 0 ? "" : NULL;
}

static gboolean
holds (const gchar *text, const BaseFacts *facts)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BaseCondition) condition = base_condition_parse (text, &error);

  g_assert_no_error (error);
  return base_condition_holds (condition, facts);
}

static void
test_kinds (void)
{
  BaseEndpoint client;
  BaseFacts facts = { .listener = "mx",
                      .client = &client,
                      .user = "jim@example.org",
                      .sender = "Anna@Example.org",
                      .recipient = "info@example.net",
                      .note = note };
  static const struct
  {
    const gchar *text;
    gboolean holds;
  } rows[] = {
    { "listener mx", TRUE },
    { "listener other", FALSE },
    { "listener other mx", TRUE },
    { "listener m?", TRUE },
    { "not listener mx", FALSE },
    { "client 10.0.0.0/8", TRUE },
    { "client 192.0.2.0/24", FALSE },
    { "client 192.0.2.0/24 10.1.2.3", TRUE },
    { "not client 192.0.2.0/24", TRUE },
    { "user *", TRUE },
    { "user *@example.org", TRUE },
    { "user bob*", FALSE },
    { "sender *@example.org", TRUE },
    { "sender anna@*", TRUE },
    { "sender <>", FALSE },
    { "  not \t sender   <>  ", TRUE },
    { "recipient *@example.org", FALSE },
    { "recipient *@example.org *@example.net", TRUE },
    { "note spam", TRUE },
    { "note spam=7", TRUE },
    { "note spam=8", FALSE },
    { "note spam=", FALSE },
    { "note empty=", TRUE },
    { "note other", FALSE },
    { "not note other", TRUE },
  };

  g_assert_true (base_endpoint_parse ("10.1.2.3:999", &client, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_test_message ("%s", rows[i].text);
      g_assert_cmpint (holds (rows[i].text, &facts), ==, rows[i].holds);
    }
}

/* However a mailbox is written, it is the same one. */
static void
test_quoted (void)
{
  static const gchar *const spellings[] = { "\"boss\"@example.org", "\"bo\\ss\"@example.org",
                                            "bo\"ss\"@Example.org", "BOSS@example.org" };

  for (guint i = 0; i < G_N_ELEMENTS (spellings); i++)
    {
      const BaseFacts facts = { .sender = spellings[i], .recipient = spellings[i] };

      g_test_message ("%s", spellings[i]);
      g_assert_true (holds ("recipient boss@example.org", &facts));
      g_assert_false (holds ("not recipient boss@example.org", &facts));
      g_assert_true (holds ("sender boss@example.org", &facts));
    }
  const BaseFacts other = { .recipient = "\"a@b\"@example.org" };
  g_assert_false (holds ("recipient *@b", &other));
  g_assert_true (holds ("recipient a@b@example.org", &other));
  g_assert_true (holds ("recipient \"a@b\"@example.org", &other));
}

static void
test_not_known_yet (void)
{
  const BaseFacts nothing = { .listener = "mx" };
  const BaseFacts null_sender = { .sender = "" };

  g_assert_false (holds ("sender *", &nothing));
  g_assert_false (holds ("not sender *", &nothing));
  g_assert_false (holds ("not recipient x@example.org", &nothing));
  g_assert_false (holds ("user *", &nothing));
  g_assert_true (holds ("not user *", &nothing));
  g_assert_true (holds ("not client 10.0.0.0/8", &nothing));
  g_assert_true (holds ("not note x", &nothing));
  g_assert_true (holds ("sender <>", &null_sender));
  g_assert_true (holds ("sender *", &null_sender));
  g_assert_false (holds ("sender *@*", &null_sender));
}

static void
expect_error (const gchar *text, const gchar *expected)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (base_condition_parse (text, &error));
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, expected));
}

static void
test_errors (void)
{
  g_autofree gchar *most = g_strnfill (BASE_CONDITION_LENGTH, 'x');
  g_autofree gchar *more = g_strnfill (BASE_CONDITION_LENGTH + 1, 'x');
  g_autoptr (BaseCondition) longest = NULL;

  expect_error ("", "asks for nothing");
  expect_error ("not", "asks for nothing");
  expect_error ("client", "no pattern");
  expect_error ("not user ", "no pattern");
  expect_error ("Sender *", "\"Sender\" is nothing");
  expect_error ("not not user *", "\"not\" is nothing");
  expect_error ("client 10.0.0.1/8", "10.0.0.1/8");
  expect_error ("client localhost", "localhost");
  expect_error ("sender example.org", "*@example.org");
  expect_error ("recipient <>", "has no \"@\"");
  expect_error ("note =x", "no name");
  memcpy (most, "user ", 5);
  memcpy (more, "user ", 5);
  longest = base_condition_parse (most, NULL);
  g_assert_nonnull (longest);
  expect_error (more, "longer than");
}

static void
test_all_of_them (void)
{
  g_autoptr (GPtrArray) list
      = g_ptr_array_new_with_free_func ((GDestroyNotify) base_condition_free);
  const BaseFacts facts = { .listener = "mx", .sender = "a@example.org" };
  guint32 of_sender = BASE_CONDITION_BIT (BASE_CONDITION_SENDER);

  g_assert_true (base_conditions_hold (NULL, &facts, BASE_CONDITIONS_ALL));
  g_assert_true (base_conditions_hold (list, &facts, BASE_CONDITIONS_ALL));
  g_ptr_array_add (list, base_condition_parse ("sender *@example.org", NULL));
  g_ptr_array_add (list, base_condition_parse ("listener other", NULL));
  g_assert_false (base_conditions_hold (list, &facts, BASE_CONDITIONS_ALL));
  g_assert_true (base_conditions_hold (list, &facts, of_sender));
  g_assert_cmpuint (base_conditions_kinds (list), ==,
                    of_sender | BASE_CONDITION_BIT (BASE_CONDITION_LISTENER));
}

static void
test_patterns (void)
{
  g_autofree gchar *text = g_strnfill (20000, 'a');

  g_assert_true (base_pattern_matches ("", ""));
  g_assert_true (base_pattern_matches ("***", ""));
  g_assert_false (base_pattern_matches ("?", ""));
  g_assert_true (base_pattern_matches ("a*b*c", "aXbYbZc"));
  g_assert_false (base_pattern_matches ("a*b*c", "aXbYbZ"));
  g_assert_true (base_pattern_matches ("*?", "x"));
  /* would never end if every star were gone back to */
  g_assert_false (base_pattern_matches ("*a*a*a*a*a*a*a*a*a*a*b", text));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/condition/kinds", test_kinds);
  g_test_add_func ("/condition/quoted", test_quoted);
  g_test_add_func ("/condition/not-known-yet", test_not_known_yet);
  g_test_add_func ("/condition/errors", test_errors);
  g_test_add_func ("/condition/all-of-them", test_all_of_them);
  g_test_add_func ("/condition/patterns", test_patterns);
  return g_test_run ();
}
