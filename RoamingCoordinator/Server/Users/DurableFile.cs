namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>A file that is replaced as a whole and is on the disk before anybody is told.</summary>
internal static class DurableFile
{
    /// <summary>Replaces a file; false: it could not be, and is as it was.</summary>
    public static bool TryReplace(string path, ReadOnlySpan<byte> text)
    {
        var next = path + ".new";
        try
        {
            using (var file = new FileStream(next, FileMode.Create, FileAccess.Write))
            {
                if (File.Exists(path))
                {
                    // Who may not read the one before may not read this one.
                    File.SetUnixFileMode(file.SafeFileHandle, File.GetUnixFileMode(path));
                }

                file.Write(text);
                file.Flush(flushToDisk: true);
            }

            File.Move(next, path, overwrite: true);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
