using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>
/// The homes of clients, from a file with <c>MAC NODE</c> on each line. It is read again when it has changed; a file with a mistake changes nothing. Connections that exist stay where
/// they are.
/// </summary>
internal sealed class HomesFile : IHomes
{
    private const long MaxBytes = 64 << 20;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly string _path;
    private (DateTime Written, long Length) _stamp;
    private volatile HomeTable _homes = HomeTable.Empty;

    private HomesFile(string path) => _path = path;

    /// <summary>What the file says.</summary>
    public HomeTable Table => _homes;

    /// <summary>Opens a file; null, and the mistake, if it cannot be used.</summary>
    public static HomesFile? Open(string path, out string mistake)
    {
        var file = new HomesFile(path);
        mistake = file.Read();
        return mistake.Length == 0 ? file : null;
    }

    /// <inheritdoc/>
    public NodeId HomeOf(MacAddress client) => _homes.HomeOf(client);

    /// <summary>Looks after the file until cancelled.</summary>
    /// <param name="changed">Hears of a new table.</param>
    /// <param name="log">Takes a level and a text.</param>
    /// <param name="stop">Ends it.</param>
    public async Task WatchAsync(Action changed, Action<string, string> log, CancellationToken stop)
    {
        using var timer = new PeriodicTimer(Interval);
        try
        {
            while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false))
            {
                if (Stamp() == _stamp)
                {
                    continue;
                }

                if (Read() is { Length: > 0 } mistake)
                {
                    log("warning", $"homes: {mistake}; those that were read before stay");
                }
                else
                {
                    log("info", $"homes: {_homes.Count} clients have one");
                    changed();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The coordinator stops.
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
            if (_stamp.Length > MaxBytes)
            {
                return $"{_path}: over {MaxBytes} octets";
            }

            var homes = new Dictionary<MacAddress, NodeId>();
            var number = 0;
            foreach (var line in File.ReadLines(_path))
            {
                number++;
                var words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
                if (words.Length == 0 || words[0].StartsWith('#'))
                {
                    continue;
                }

                if (words.Length != 2 || !MacAddress.TryParse(words[0], out var client) || client.IsNone || client.IsGroup || !NodeId.IsValid(words[1]))
                {
                    return $"{_path}: line {number} is not a client's MAC address and the name of a node";
                }

                if (!homes.TryAdd(client, new NodeId(words[1])))
                {
                    return $"{_path}: line {number}: {client} has a home already";
                }
            }

            _homes = new HomeTable(homes);
            return string.Empty;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{_path}: {e.Message}";
        }
    }
}
