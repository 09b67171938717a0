#include "base/file_system.h"
#include "base/resident_read.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iostream>
#include <system_error>

#include "base/faulty_file_system.h"
#include "base/memory_file_system.h"
#include "base/testing/temp_dir.h"
#include "base/without_waiting.h"

namespace base {
namespace {

std::string content(FileSystem& files, const std::string& path) { return std::string(as_text(read_file(files, path))); }
void write(FileSystem& files, const std::string& path, std::string_view value) {
  auto file = files.open(path, OpenMode::create);
  file->truncate(0);
  file->write_at(0, as_bytes(value));
}

// The same rules for every implementation.
class AnyFileSystem : public ::testing::TestWithParam<std::string> {
 protected:
  FileSystem& files() {
    if (GetParam() == "memory") return memory_;
    if (GetParam() == "faulty") return faulty_;
    return real_file_system();
  }
  void SetUp() override {
    dir_ = GetParam() == "real" ? temp_.path() : "/data";
    files().create_directories(dir_);
  }

  testing::TempDir temp_;
  MemoryFileSystem memory_;
  FaultyFileSystem faulty_{memory_};
  std::string dir_;
};
INSTANTIATE_TEST_SUITE_P(All, AnyFileSystem, ::testing::Values("real", "memory", "faulty"));

TEST_P(AnyFileSystem, ReadsAndWritesAtPositions) {
  auto file = files().open(dir_ + "/f", OpenMode::create);
  file->write_at(4, as_bytes("efgh"));
  file->write_at(0, as_bytes("abcd"));
  EXPECT_EQ(file->size(), 8u);
  Bytes into(100);
  EXPECT_EQ(file->read_at(2, into), 6u);
  EXPECT_EQ(as_text(ByteView(into).first(6)), "cdefgh");
  EXPECT_EQ(file->read_at(8, into), 0u);
  EXPECT_EQ(file->read_at(800, into), 0u);
  EXPECT_TRUE(file->is_resident(0, 8));
  file->sync();
}

TEST_P(AnyFileSystem, TruncateShrinksAndGrowsWithZeros) {
  auto file = files().open(dir_ + "/f", OpenMode::create);
  file->write_at(0, as_bytes("abcd"));
  file->truncate(2);
  file->truncate(3);
  EXPECT_EQ(content(files(), dir_ + "/f"), std::string("ab\0", 3));
  file->allocate(10);
  EXPECT_EQ(file->size(), 10u);
}

TEST_P(AnyFileSystem, ReadsWhatIsInMemory) {
  write(files(), dir_ + "/f", "abcdef");
  auto file = files().open(dir_ + "/f", OpenMode::read);
  Bytes into(3);
  EXPECT_TRUE(read_if_resident(*file, 2, into));
  EXPECT_EQ(as_text(into), "cde");
  EXPECT_FALSE(read_if_resident(*file, 4, into));  // it ends before
}

// A hole of one page in the middle of a range isn't overlooked where the kernel counts pages (from 6.5 on).
TEST(RealFileSystemTest, OneMissingPageIsFound) {
  testing::TempDir temp;
  auto file = real_file_system().open(temp / "f", OpenMode::create);
  constexpr std::size_t kSize = 1 << 20;
  constexpr std::size_t kPage = 4096;
  const Bytes bytes(kSize, 'x');
  file->write_at(0, bytes);
  file->sync();
  EXPECT_TRUE(file->is_resident(0, kSize));
  EXPECT_TRUE(file->is_resident(kPage - 1, 100'000));
  ASSERT_EQ(::posix_fadvise(file->native_handle(), 100 * kPage, kPage, POSIX_FADV_DONTNEED), 0);
  const bool gone = !file->is_resident(100 * kPage, 1);  // not in file systems that live in memory
  struct utsname system {};
  ASSERT_EQ(::uname(&system), 0);
  const bool counts = ::strverscmp(system.release, "6.5") >= 0;
  if (gone && counts) {
    EXPECT_FALSE(file->is_resident(0, kSize));
    EXPECT_FALSE(file->is_resident(100 * kPage, 20 * kPage));
    EXPECT_FALSE(file->is_resident(80 * kPage, 21 * kPage));
  }
  EXPECT_TRUE(file->is_resident(0, 100 * kPage));
  EXPECT_TRUE(file->is_resident(101 * kPage, kSize - 101 * kPage));
  Bytes into(1);
  EXPECT_EQ(file->read_at(100 * kPage, into), 1u);
  EXPECT_TRUE(file->is_resident(0, kSize) || !counts || !gone);
}

// The directory of a container: another one below, shown through overlayfs. In namespaces of this process; false where
// nobody may make such.
bool mount_overlay(const std::string& dir) {
  const auto user = std::to_string(::getuid()), group = std::to_string(::getgid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << "0 " + user + " 1";
  std::ofstream("/proc/self/gid_map") << "0 " + group + " 1";
  const std::string options =
      "lowerdir=" + dir + "/lower,upperdir=" + dir + "/upper,workdir=" + dir + "/work,userxattr";
  return ::mount("overlay", (dir + "/merged").c_str(), "overlay", 0, options.c_str()) == 0;
}

// Its files have no pages of their own for the kernel to count: what was just read mustn't count as missing.
TEST(RealFileSystemTest, WhatWasReadThroughOverlayfsIsResident) {
  testing::TempDir temp;
  for (const char* name : {"lower", "upper", "work", "merged"}) real_file_system().create_directories(temp / name);
  constexpr std::size_t kSize = 1 << 20;
  const Bytes bytes(kSize, 'x');
  real_file_system().open(temp / "lower/below", OpenMode::create)->write_at(0, bytes);
  constexpr int kNotAllowed = 42;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    int wrong = 0;
    try {
      if (!mount_overlay(temp.path())) ::_exit(kNotAllowed);
      real_file_system().open(temp / "merged/above", OpenMode::create)->write_at(0, bytes);
      int bit = 1;
      for (const char* name : {"merged/below", "merged/above"}) {
        const auto file = real_file_system().open(temp / name, OpenMode::read);
        Bytes into(kSize);
        if (file->read_at(0, into) != kSize || into != bytes) wrong |= bit;
        if (!file->is_resident(0, kSize) || !file->is_resident(4095, 100'000) || !file->is_resident(5, 10)) wrong |= 2 * bit;
        bit *= 4;
      }
    } catch (const std::exception& error) {
      std::cerr << error.what() << std::endl;
      wrong = 16;
    }
    ::_exit(wrong);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ::chmod((temp / "work/work").c_str(), 0700);  // else only root can remove it
  ASSERT_TRUE(WIFEXITED(status));
  RecordProperty("overlayfs", WEXITSTATUS(status) == kNotAllowed ? "can't be mounted here" : "mounted");
  if (WEXITSTATUS(status) != kNotAllowed) {
    EXPECT_EQ(WEXITSTATUS(status), 0) << "1, 4: read wrongly; 2, 8: not resident, below and above; 16: thrown";
  }
}

TEST_P(AnyFileSystem, ReadsOrSaysThatItWouldWait) {
  const std::string text(100'000, 'x');
  write(files(), dir_ + "/f", text);
  auto file = files().open(dir_ + "/f", OpenMode::read_write);
  file->sync();
  if (file->native_handle() >= 0) {
    ASSERT_EQ(::posix_fadvise(file->native_handle(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }
  const bool cold = !file->is_resident(0, text.size());
  Bytes into(text.size());
  bool refused = false;
  try {
    WithoutWaiting scope;
    EXPECT_TRUE(WithoutWaiting::is_active());
    EXPECT_EQ(file->read_at(0, into), text.size());
  } catch (const WouldWait& missing) {
    refused = true;
    missing.read();
  }
  EXPECT_FALSE(WithoutWaiting::is_active());
  EXPECT_EQ(refused, cold);
  WithoutWaiting scope;
  EXPECT_EQ(file->read_at(0, into), text.size());
  EXPECT_EQ(as_text(into), text);
  EXPECT_EQ(file->read_at(text.size(), into), 0u) << "the end is no wait";
}

TEST_P(AnyFileSystem, OpensKeepWhatIsThere) {
  write(files(), dir_ + "/f", "abcd");
  EXPECT_EQ(files().open(dir_ + "/f", OpenMode::create)->size(), 4u);
  EXPECT_THROW((void)files().open(dir_ + "/missing", OpenMode::read), std::system_error);
  EXPECT_THROW((void)files().open(dir_ + "/missing", OpenMode::read_write), std::system_error);
  EXPECT_THROW(files().open(dir_ + "/f", OpenMode::read)->write_at(0, as_bytes("x")), std::system_error);
}

TEST_P(AnyFileSystem, ErrorsNameOperationAndPath) {
  try {
    (void)files().open(dir_ + "/missing", OpenMode::read);
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("open " + dir_ + "/missing"), std::string::npos) << error.what();
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
  }
}

TEST_P(AnyFileSystem, DirectoriesListAndRemove) {
  files().create_directories(dir_ + "/a/b");
  write(files(), dir_ + "/z", "1");
  write(files(), dir_ + "/a/f", "22");
  EXPECT_EQ(files().list(dir_), (std::vector<std::string>{"a", "z"}));
  EXPECT_TRUE(files().info(dir_ + "/a").is_directory);
  EXPECT_FALSE(files().info(dir_ + "/a/f").is_directory);
  EXPECT_EQ(files().info(dir_ + "/a/f").size, 2u);
  EXPECT_THROW(files().remove(dir_ + "/a"), std::system_error);
  files().remove(dir_ + "/missing");
  files().remove(dir_ + "/z");
  files().remove_all(dir_ + "/a");
  files().remove_all(dir_ + "/a");
  EXPECT_TRUE(files().list(dir_).empty());
  EXPECT_FALSE(files().exists(dir_ + "/a/f"));
}

TEST_P(AnyFileSystem, RenameReplacesAndOpenFilesStay) {
  write(files(), dir_ + "/from", "new");
  write(files(), dir_ + "/to", "old");
  auto open = files().open(dir_ + "/to", OpenMode::read);
  files().rename(dir_ + "/from", dir_ + "/to");
  EXPECT_EQ(content(files(), dir_ + "/to"), "new");
  EXPECT_FALSE(files().exists(dir_ + "/from"));
  Bytes into(3);
  open->read_at(0, into);
  EXPECT_EQ(as_text(into), "old");
  files().create_directories(dir_ + "/d");
  write(files(), dir_ + "/d/f", "x");
  files().rename(dir_ + "/d", dir_ + "/e");
  EXPECT_EQ(content(files(), dir_ + "/e/f"), "x");
}

TEST_P(AnyFileSystem, WholeFilesAtomically) {
  write_file_atomically(files(), dir_ + "/f", as_bytes("one"));
  write_file_atomically(files(), dir_ + "/f", as_bytes("2"));
  EXPECT_EQ(content(files(), dir_ + "/f"), "2");
  EXPECT_FALSE(files().exists(dir_ + "/f.tmp"));
}

TEST_P(AnyFileSystem, ModificationTime) {
  write(files(), dir_ + "/f", "x");
  files().set_modified_ms(dir_ + "/f", 1'234'567'891);
  EXPECT_EQ(files().info(dir_ + "/f").modified_ms, 1'234'567'891);
}

TEST_P(AnyFileSystem, LockExcludesUntilReleased) {
  auto lock = files().try_lock(dir_ + "/.lock");
  ASSERT_NE(lock, nullptr);
  EXPECT_EQ(files().try_lock(dir_ + "/.lock"), nullptr);
  lock.reset();
  EXPECT_NE(files().try_lock(dir_ + "/.lock"), nullptr);
  EXPECT_TRUE(files().exists(dir_ + "/.lock"));
}

// The lock must hold against another process too, also after a refused try in this one.
TEST(RealFileSystem, LockExcludesOtherProcesses) {
  testing::TempDir temp;
  auto lock = real_file_system().try_lock(temp / ".lock");
  EXPECT_EQ(real_file_system().try_lock(temp / ".lock"), nullptr);
  std::string path = temp / ".lock";
  pid_t child = ::fork();
  if (child == 0) {
    struct flock range {};
    range.l_type = F_WRLCK;
    int descriptor = ::open(path.c_str(), O_RDWR);
    ::_exit(::fcntl(descriptor, F_SETLK, &range) == 0 ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(ParentDirectory, OfAllKindsOfPath) {
  EXPECT_EQ(parent_directory("/a/b"), "/a");
  EXPECT_EQ(parent_directory("/a"), "/");
  EXPECT_EQ(parent_directory("a/b"), "a");
  EXPECT_EQ(parent_directory("a"), ".");
}

class PowerLoss : public ::testing::Test {
 protected:
  void SetUp() override {
    files_.create_directories("/d");
    files_.sync_everything();
    file_ = files_.open("/d/f", OpenMode::create);
    file_->write_at(0, as_bytes("safe"));
    file_->sync();
    files_.sync_directory("/d");
    file_->write_at(4, as_bytes("tail"));
  }
  MemoryFileSystem files_;
  std::unique_ptr<File> file_;
};

TEST_F(PowerLoss, LosesUnsyncedBytes) {
  files_.lose_power();
  EXPECT_EQ(content(files_, "/d/f"), "safe");
}
TEST_F(PowerLoss, ZeroesTears) {
  files_.lose_power(UnsyncedBytes::zeroed);
  EXPECT_EQ(content(files_, "/d/f"), std::string("safe\0\0\0\0", 8));
}
TEST_F(PowerLoss, TearsBytes) {
  files_.lose_power(UnsyncedBytes::torn);
  EXPECT_EQ(content(files_, "/d/f"), "safeta");
}
TEST_F(PowerLoss, KeepsAllIfOnlyTheProcessDied) {
  files_.lose_power(UnsyncedBytes::kept);
  EXPECT_EQ(content(files_, "/d/f"), "safetail");
}
TEST_F(PowerLoss, NamesNeedTheDirectorySynced) {
  files_.open("/d/new", OpenMode::create)->sync();
  files_.rename("/d/f", "/d/g");
  files_.lose_power();
  EXPECT_EQ(files_.list("/d"), std::vector<std::string>{"f"});
}
TEST_F(PowerLoss, NamesCanBeThereBeforeTheBytes) {
  files_.open("/d/new", OpenMode::create)->write_at(0, as_bytes("new"));
  files_.rename("/d/new", "/d/f");
  files_.lose_power(UnsyncedBytes::lost, UnsyncedNames::kept);
  EXPECT_EQ(files_.list("/d"), std::vector<std::string>{"f"});
  EXPECT_EQ(content(files_, "/d/f"), "");
}
TEST_F(PowerLoss, SyncedNamesStay) {
  files_.rename("/d/f", "/d/g");
  files_.sync_directory("/d");
  files_.lose_power();
  EXPECT_EQ(files_.list("/d"), std::vector<std::string>{"g"});
  EXPECT_EQ(content(files_, "/d/g"), "safe");
}
TEST_F(PowerLoss, AtomicWriteIsDurable) {
  write_file_atomically(files_, "/d/f", as_bytes("whole"));
  files_.lose_power();
  EXPECT_EQ(content(files_, "/d/f"), "whole");
}
TEST_F(PowerLoss, ReleasesLocks) {
  auto lock = files_.try_lock("/d/.lock");
  files_.sync_everything();
  files_.lose_power();
  EXPECT_NE(files_.try_lock("/d/.lock"), nullptr);
}

TEST(FaultyFileSystem, FailsTheNthCallOnce) {
  MemoryFileSystem memory;
  memory.create_directories("/d");
  FaultyFileSystem faulty(memory);
  faulty.set_fault({.call = 2, .error = ENOSPC});
  auto file = faulty.open("/d/f", OpenMode::create);
  try {
    file->write_at(0, as_bytes("x"));
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::no_space_on_device);
  }
  EXPECT_TRUE(faulty.fault_met());
  file->write_at(0, as_bytes("y"));
  EXPECT_EQ(faulty.calls(), 3u);
  EXPECT_EQ(content(memory, "/d/f"), "y");
}

TEST(FaultyFileSystem, FailsForEverAndWritesHalf) {
  MemoryFileSystem memory;
  memory.create_directories("/d");
  FaultyFileSystem faulty(memory);
  auto file = faulty.open("/d/f", OpenMode::create);
  faulty.set_fault({.call = 1, .persistent = true, .half_written = true, .changes_only = true});
  Bytes into(1);
  EXPECT_EQ(file->read_at(0, into), 0u);
  EXPECT_THROW(file->write_at(0, as_bytes("abcd")), std::system_error);
  EXPECT_THROW(file->sync(), std::system_error);
  EXPECT_THROW(faulty.rename("/d/f", "/d/g"), std::system_error);
  EXPECT_EQ(content(memory, "/d/f"), "ab");
}

}  // namespace
}  // namespace base
