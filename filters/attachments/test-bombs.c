/* Every limit of archives at what it allows and one past it; and bombs. */
#include <string.h>

#include "test-archives.h"
#include "test-attachments.h"

#define MEMBERS "archive-members = 10000000\n"
#define TIME "archive-time = 10m\n"

void
test_limit_depth (void)
{
  g_autoptr (GByteArray) data = make_one (MAKE_ZIP, "good.txt", "ok", 2);

  for (guint depth = 1; depth <= 4; depth++)
    {
      g_autofree char *fits = g_strdup_printf (DENY TIME "archive-depth = %u", depth);
      g_autofree char *less = g_strdup_printf (DENY TIME "archive-depth = %u", depth - 1);
      g_autoptr (WeirTestResult) passed = run_attachment (fits, "a.zip", data);
      GByteArray *outer = NULL;

      assert_passes (passed, fits);
      if (depth > 1)
        {
          g_autoptr (WeirTestResult) refused = run_attachment (less, "a.zip", data);

          assert_reason (refused, "archive-limit depth", less);
        }
      outer = make_one (MAKE_ZIP, "inner.zip", data->data, data->len);
      g_byte_array_unref (data);
      data = outer;
    }
}

static GByteArray *
make_many (Make make, guint count)
{
  g_autofree File *files = g_new0 (File, count);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < count; i++)
    {
      g_ptr_array_add (names, g_strdup_printf ("%u.txt", i));
      files[i] = (File){ g_ptr_array_index (names, i), "", 0 };
    }
  return make_archive (make, files, count);
}

void
test_limit_members (void)
{
  static const Make makes[] = { MAKE_ZIP, MAKE_TAR, MAKE_7ZIP };

  for (guint i = 0; i < G_N_ELEMENTS (makes); i++)
    {
      g_autoptr (GByteArray) fits = make_many (makes[i], 20);
      g_autoptr (GByteArray) over = make_many (makes[i], 21);
      g_autoptr (WeirTestResult) passed
          = run_attachment (DENY TIME "archive-members = 20", "a", fits);
      g_autoptr (WeirTestResult) refused
          = run_attachment (DENY TIME "archive-members = 20", "a", over);

      assert_passes (passed, "20 members");
      assert_reason (refused, "archive-limit members", "21 members");
    }
}

void
test_limit_size (void)
{
  static const Make makes[] = { MAKE_ZIP, MAKE_TAR_GZ, MAKE_7ZIP };
  static const char zeros[2000] = "";

  for (guint i = 0; i < G_N_ELEMENTS (makes); i++)
    {
      g_autoptr (GByteArray) fits = make_one (makes[i], "a.txt", zeros, 1000);
      g_autoptr (GByteArray) over = make_one (makes[i], "a.txt", zeros, 2000);
      g_autoptr (WeirTestResult) passed
          = run_attachment (DENY TIME "archive-size = 1999", "a", fits);
      g_autoptr (WeirTestResult) refused
          = run_attachment (DENY TIME "archive-size = 1999", "a", over);

      assert_passes (passed, "1000 octets");
      assert_reason (refused, "archive-limit size", "2000 octets");
    }
}

/* Only counted from 16 MB on: 20 MB of zeros pack a thousandfold. */
void
test_limit_ratio (void)
{
  g_autofree guint8 *zeros = g_malloc0 (20 << 20);
  g_autoptr (GByteArray) small = make_one (MAKE_TAR_GZ, "a.txt", zeros, 10 << 20);
  g_autoptr (GByteArray) large = make_one (MAKE_TAR_GZ, "a.txt", zeros, 20 << 20);
  g_autoptr (WeirTestResult) passed = run_attachment (DENY TIME, "a.tgz", small);
  g_autoptr (WeirTestResult) refused = run_attachment (DENY TIME, "a.tgz", large);
  g_autoptr (WeirTestResult) wider
      = run_attachment (DENY TIME "archive-ratio = 2000", "a.tgz", large);

  assert_passes (passed, "10 MB");
  assert_reason (refused, "archive-limit ratio", "20 MB");
  assert_passes (wider, "20 MB at 2000");
}

/* A member whose length stands behind it can not be skipped unread, whatever the end of the file
 * looks like. */
void
test_limit_streamed (void)
{
  static const guint8 end[22] = "PK\5\6\0\0\0\0\0\0\1";
  g_autofree guint8 *zeros = g_malloc0 (20 << 20);
  g_autoptr (GByteArray) zip = make_one (MAKE_ZIP, "a.txt", zeros, 20 << 20);
  g_autoptr (WeirTestResult) refused = NULL;

  zip->data[6] |= 8;
  memset (zip->data + 14, 0, 12); /* sum and lengths, as who streams does not know them */
  g_byte_array_set_size (zip, zip->len - sizeof end);
  g_byte_array_append (zip, end, sizeof end); /* one member, none of them here */
  refused = run_attachment (DENY TIME, "a.zip", zip);
  assert_reason (refused, "archive-limit ratio", "a member without a length");
}

void
test_limit_nested (void)
{
  g_autoptr (GByteArray) inner = make_one (MAKE_ZIP, "a.txt", "ok", 2);
  g_autoptr (GByteArray) outer = make_one (MAKE_TAR, "inner.zip", inner->data, inner->len);
  g_autofree char *fits = g_strdup_printf (DENY TIME "archive-nested = %u", inner->len);
  g_autofree char *less = g_strdup_printf (DENY TIME "archive-nested = %u", inner->len - 1);
  g_autoptr (WeirTestResult) passed = run_attachment (fits, "a.tar", outer);
  g_autoptr (WeirTestResult) refused = run_attachment (less, "a.tar", outer);

  assert_passes (passed, fits);
  assert_reason (refused, "archive-limit nested", less);
}

/* More than a millisecond's work by three orders of magnitude. */
void
test_limit_time (void)
{
  g_autoptr (GByteArray) many = make_many (MAKE_ZIP, 20000);
  g_autoptr (WeirTestResult) refused
      = run_attachment (DENY MEMBERS "archive-time = 1ms", "a.zip", many);
  g_autoptr (WeirTestResult) passed = run_attachment (DENY MEMBERS TIME, "a.zip", many);

  assert_reason (refused, "archive-limit time", "1 ms");
  assert_passes (passed, "10 minutes");
}

/* Sixteen archives in each of sixteen archives, and so on: 4 levels are 65,536 of a megabyte. */
void
test_bomb_nested (void)
{
  g_autofree guint8 *zeros = g_malloc0 (1 << 20);
  g_autoptr (GByteArray) data = make_one (MAKE_ZIP, "zeros.txt", zeros, 1 << 20);
  g_autoptr (WeirTestResult) refused = NULL;

  for (guint level = 0; level < 4; level++)
    {
      File files[16];
      char names[16][16];
      GByteArray *outer = NULL;

      for (guint i = 0; i < 16; i++)
        {
          g_snprintf (names[i], sizeof names[i], "%u.zip", i);
          files[i] = (File){ names[i], data->data, data->len };
        }
      outer = make_archive (MAKE_ZIP, files, 16);
      g_byte_array_unref (data);
      data = outer;
    }
  refused = run_attachment (DENY TIME "archive-depth = 16", "42.zip", data);
  assert_reason (refused, "archive-limit", "42.zip");
}

void
test_many_members (void)
{
  g_autoptr (GByteArray) many = make_many (MAKE_ZIP, 100000);
  g_autoptr (WeirTestResult) refused = run_attachment (DENY TIME, "a.zip", many);

  assert_reason (refused, "archive-limit members", "100,000 members");
}
