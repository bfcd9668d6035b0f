using System.ComponentModel;
using System.Diagnostics;
using System.Threading.Channels;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Runtime;

/// <summary>
/// Has routes changed when this node takes or gives up an address: runs the operator's command with <c>take ADDRESS</c> or <c>yield ADDRESS</c>, one at a time. What has changed
/// back before its turn came is not done at all, so what waits is bounded by the number of addresses.
/// </summary>
internal sealed class AddressCommand(string path, TextWriter log)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Dictionary<IpAddress, bool> _waiting = [];
    private readonly Dictionary<IpAddress, bool> _done = [];
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    /// <summary>Notes an event; never waits.</summary>
    public void Note(EngineEvent engineEvent)
    {
        var (address, isHere) = engineEvent switch
        {
            AddressTaken taken => (taken.Address, true),
            AddressYielded yielded => (yielded.Address, false),
            _ => (IpAddress.None, false),
        };
        if (address.IsNone)
        {
            return;
        }

        lock (_waiting)
        {
            _waiting[address] = isHere;
        }

        _wake.Writer.TryWrite(true);
    }

    /// <summary>Runs commands until cancelled.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (await _wake.Reader.WaitToReadAsync(stop).ConfigureAwait(false))
            {
                _wake.Reader.TryRead(out _);
                while (TryTake(out var address, out var isHere))
                {
                    await RunAsync(isHere ? "take" : "yield", address, stop).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The agent stops.
        }
    }

    private bool TryTake(out IpAddress address, out bool isHere)
    {
        lock (_waiting)
        {
            foreach (var (waiting, wanted) in _waiting)
            {
                _waiting.Remove(waiting);
                if (_done.TryGetValue(waiting, out var before) && before == wanted)
                {
                    continue;
                }

                (address, isHere) = (waiting, wanted);
                _done[waiting] = wanted;
                return true;
            }
        }

        (address, isHere) = (IpAddress.None, false);
        return false;
    }

    private async Task RunAsync(string what, IpAddress address, CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(Patience);
        try
        {
            using var process = Process.Start(new ProcessStartInfo(path, [what, address.ToString()]) { UseShellExecute = false, RedirectStandardInput = true })
                ?? throw new InvalidOperationException("it did not start");
            process.StandardInput.Close();
            try
            {
                await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                await log.WriteLineAsync($"{path} {what} {address}: ended, for it took longer than {Patience.TotalSeconds:F0} s or the agent stops").ConfigureAwait(false);
                return;
            }

            if (process.ExitCode != 0)
            {
                await log.WriteLineAsync($"{path} {what} {address}: exit code {process.ExitCode}").ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException)
        {
            await log.WriteLineAsync($"{path} {what} {address}: {e.Message}").ConfigureAwait(false);
        }
    }
}
