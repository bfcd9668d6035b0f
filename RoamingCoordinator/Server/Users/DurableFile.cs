using System.Runtime.InteropServices;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>What became of a file.</summary>
internal enum Replacement
{
    /// <summary>It is as it was.</summary>
    Not,

    /// <summary>It is the new one now; which one it is after a loss of power the disk has not said.</summary>
    Unsure,

    /// <summary>It is the new one, and stays it.</summary>
    Done,
}

/// <summary>
/// A file that is replaced as a whole and is on the disk, with its name, before anybody is told. One that is new is its owner's alone; one that was there keeps its mode, for who may not read the one before may not read the
/// next. What stands at the temporary name, a link say, is removed and not followed.
/// </summary>
internal static partial class DurableFile
{
    /// <summary>O_CLOEXEC, the same on all of Linux's machines; O_RDONLY is 0.</summary>
    private const int CloseOnExec = 0x80000;

    /// <summary>Replaces a file.</summary>
    /// <param name="path">The file. Where it is a link, what it leads to is replaced.</param>
    /// <param name="text">What it holds from now on.</param>
    public static Replacement Replace(string path, ReadOnlySpan<byte> text)
    {
        try
        {
            var target = Path.GetFullPath(new FileInfo(path).LinkTarget is null ? path : File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName);
            var next = target + ".new";
            File.Delete(next);
            using (var file = new FileStream(next, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
            {
                if (File.Exists(target))
                {
                    File.SetUnixFileMode(file.SafeFileHandle, File.GetUnixFileMode(target));
                }

                file.Write(text);
                file.Flush(flushToDisk: true);
            }

            File.Move(next, target, overwrite: true);
            return TryFlushDirectory(Path.GetDirectoryName(target)!) ? Replacement.Done : Replacement.Unsure;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Replacement.Not;
        }
    }

    /// <summary>The new name is on the disk only when its directory is (fsync(2)).</summary>
    private static bool TryFlushDirectory(string path)
    {
        var directory = Open(path, CloseOnExec);
        if (directory < 0)
        {
            return false;
        }

        var isFlushed = Flush(directory) == 0;
        _ = Close(directory);
        return isFlushed;
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Flush(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
