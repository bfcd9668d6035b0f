using System.Security.Cryptography;
using System.Text;

namespace Masquerade.Client.Run;

/// <summary>Where the password comes from: a file that others cannot read, or the environment; never the command line, which everybody can read.</summary>
internal static class ClientPassword
{
    private const int Longest = 4_096;

    /// <summary>Reads it; the caller zeroes it.</summary>
    /// <exception cref="ClientException">There is none, or it cannot be one.</exception>
    public static byte[] Read(ClientSettings settings)
    {
        var octets = settings.PasswordFile.Length > 0 ? ReadFile(settings.PasswordFile)
            : Environment.GetEnvironmentVariable(ClientSettings.PasswordVariable) is { Length: > 0 } value ? Encoding.UTF8.GetBytes(value)
            : throw new ClientException($"no password: give --password-file or {ClientSettings.PasswordVariable}");
        var end = octets.AsSpan().IndexOfAny((byte)'\n', (byte)'\r');
        var password = octets[..(end < 0 ? octets.Length : end)];
        CryptographicOperations.ZeroMemory(octets);
        return password.Length is > 0 and <= Auth.Peer.EapPeerConfig.MaxIdentity ? password : throw new ClientException("the password must have 1 to 253 octets");
    }

    private static byte[] ReadFile(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file.SafeFileHandle) & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
            {
                throw new ClientException($"{path}: everybody can read it; chmod 600 {path}");
            }

            var octets = new byte[Math.Min(file.Length, Longest)];
            file.ReadExactly(octets);
            return octets;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ClientException($"the password cannot be read: {e.Message}", e);
        }
    }
}
