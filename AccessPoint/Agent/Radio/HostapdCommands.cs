using System.Net.Sockets;
using System.Threading.Channels;
using Masquerade.AccessPoint.Users;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Radio;

/// <summary>
/// Has hostapd end links that are good for nothing any more: <c>DEAUTHENTICATE</c>. The station would come back by the key that hostapd remembers of it, so before that hostapd forgets such keys: all of them, for it
/// has no word for one. Who is connected stays, and at his next coming authenticates.
/// </summary>
internal sealed class HostapdCommands(string serverPath, string ownPath, TextWriter log)
{
    private const int MaxWaiting = 1_024;

    private readonly Channel<MacAddress> _unwanted = Channel.CreateBounded<MacAddress>(new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    /// <summary>How long an answer may take.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Notes an event; never waits. What is beyond the bound is not done: nothing passes by such a link anyway.</summary>
    public void Note(EngineEvent engineEvent)
    {
        if (engineEvent is LinkUnwanted unwanted)
        {
            _unwanted.Writer.TryWrite(unwanted.Client);
        }
    }

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        try
        {
            await foreach (var station in _unwanted.Reader.ReadAllAsync(cancel).ConfigureAwait(false))
            {
                try
                {
                    using var hostapd = await HostapdConnection.OpenAsync(serverPath, ownPath, cancel).ConfigureAwait(false);
                    await hostapd.AskAsync("PMKSA_FLUSH", AnswerTimeout, null, cancel).ConfigureAwait(false);
                    if (!await hostapd.AskForAsync($"DEAUTHENTICATE {station}", "OK", AnswerTimeout, null, cancel).ConfigureAwait(false))
                    {
                        await log.WriteLineAsync($"hostapd at {serverPath} does not end the link of {station}").ConfigureAwait(false);
                    }
                }
                catch (Exception e) when (e is SocketException or IOException or TimeoutException && !cancel.IsCancellationRequested)
                {
                    await log.WriteLineAsync($"hostapd at {serverPath} does not end the link of {station}: {e.Message}").ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The agent stops.
        }
    }
}
