using System.Security.Cryptography;
using System.Text;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Api.Hosting;

/// <summary>
/// The tokens that open the API, as SHA-256 hashes: a token is 32 random octets, so nothing slower is needed. One per line, <c>NAME sha256:HEX</c>; who reads the file cannot
/// use it. It is read again when it has changed.
/// </summary>
internal sealed class TokenFile
{
    private const int MaxBytes = 1 << 20;
    private const int MaxTokens = 1_000;
    private const string Prefix = "sha256:";

    private readonly string _path;
    private readonly Lock _gate = new();
    private (DateTime Written, long Length) _stamp;
    private IReadOnlyList<(string Name, byte[] Hash)> _tokens = [];
    private long _nextLook;

    private TokenFile(string path) => _path = path;

    /// <summary>Opens a file; null, and the mistake, if it cannot be used.</summary>
    public static TokenFile? Open(string path, out string mistake)
    {
        var file = new TokenFile(path);
        mistake = file.Read();
        return mistake.Length == 0 ? file : null;
    }

    /// <summary>Whether a token is one of them. Takes as long for a wrong one as for a right one.</summary>
    /// <param name="token">The token.</param>
    /// <param name="trouble">Hears of a changed file that cannot be used; the former tokens stay.</param>
    public bool Accepts(string token, Action<string> trouble)
    {
        var isKnown = false;
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(token));
        foreach (var (_, known) in Current(trouble))
        {
            isKnown |= CryptographicOperations.FixedTimeEquals(known, hash);
        }

        return isKnown;
    }

    private IReadOnlyList<(string Name, byte[] Hash)> Current(Action<string> trouble)
    {
        lock (_gate)
        {
            if (Environment.TickCount64 >= _nextLook)
            {
                _nextLook = Environment.TickCount64 + 500;
                if (Stamp() != _stamp && Read() is { Length: > 0 } mistake)
                {
                    trouble($"{mistake}; the tokens that were read before stay good");
                }
            }

            return _tokens;
        }
    }

    private (DateTime Written, long Length) Stamp()
    {
        var file = new FileInfo(_path);
        return file.Exists ? (file.LastWriteTimeUtc, file.Length) : default;
    }

    private string Read()
    {
        try
        {
            _stamp = Stamp();
            if (!File.Exists(_path))
            {
                return $"{_path}: there is no such file";
            }

            var mode = File.GetUnixFileMode(_path);
            if ((mode & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute)) != 0)
            {
                return $"{_path}: others than its owner may use it; chmod 600 it";
            }

            if (_stamp.Length > MaxBytes)
            {
                return $"{_path}: over {MaxBytes} octets";
            }

            return Parse(File.ReadAllLines(_path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{_path}: {e.Message}";
        }
    }

    private string Parse(string[] lines)
    {
        var tokens = new List<(string, byte[])>();
        for (var i = 0; i < lines.Length; i++)
        {
            var words = lines[i].Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (words.Length == 0 || words[0].StartsWith('#'))
            {
                continue;
            }

            var hash = new byte[SHA256.HashSizeInBytes];
            if (words.Length != 2 || !NodeId.IsValid(words[0]) || !words[1].StartsWith(Prefix, StringComparison.Ordinal)
                || words[1].Length != Prefix.Length + (2 * hash.Length)
                || Convert.FromHexString(words[1].AsSpan(Prefix.Length), hash, out _, out _) != System.Buffers.OperationStatus.Done)
            {
                // The line itself is not shown: somebody may have put the token there.
                return $"{_path}: line {i + 1} is not NAME sha256:HEX (\"masq token\" makes such lines)";
            }

            tokens.Add((words[0], hash));
        }

        if (tokens.Count is 0 or > MaxTokens)
        {
            return $"{_path}: {tokens.Count} tokens; 1 to {MaxTokens} are allowed";
        }

        _tokens = tokens;
        return string.Empty;
    }
}
