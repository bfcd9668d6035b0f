using System.Globalization;

namespace Masquerade.AccessPoint.Tests.Logging;

/// <summary>A file system that is full soon.</summary>
internal sealed class SmallDisk : IDisposable
{
    public SmallDisk(string path, int kilobytes)
    {
        Path = path;
        var (code, _, errors) = OutsideProgram.Run("mount", ["-t", "tmpfs", "-o", string.Create(CultureInfo.InvariantCulture, $"size={kilobytes}k"), "masq-test", path]);
        Assert.True(code == 0, errors);
    }

    public string Path { get; }

    public void Dispose() => OutsideProgram.Run("umount", ["-l", Path]);
}
