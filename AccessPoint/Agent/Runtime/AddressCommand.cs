using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Threading.Channels;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Runtime;

/// <summary>
/// Has routes changed when this node takes or gives up an address: runs the operator's command with <c>take ADDRESS EPOCH</c> or <c>yield ADDRESS EPOCH</c>, one at a time. What has
/// changed back before its turn came is not done at all, so what waits is bounded by the number of addresses. When the agent ends it gives up what it has, in bounded time.
/// </summary>
internal sealed class AddressCommand(string path, TextWriter log)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Dictionary<IpAddress, (bool IsHere, Epoch Epoch)> _waiting = [];
    private readonly Dictionary<IpAddress, (bool IsHere, Epoch Epoch)> _done = [];
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    /// <summary>Notes an event; never waits.</summary>
    public void Note(EngineEvent engineEvent)
    {
        var (address, isHere, epoch) = engineEvent switch
        {
            AddressTaken taken => (taken.Address, true, taken.Epoch),
            AddressYielded yielded => (yielded.Address, false, yielded.Epoch),
            _ => (IpAddress.None, false, Epoch.None),
        };
        if (address.IsNone)
        {
            return;
        }

        lock (_waiting)
        {
            _waiting[address] = (isHere, epoch);
        }

        _wake.Writer.TryWrite(true);
    }

    /// <summary>Runs commands until cancelled, and then those that give up what this node has.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (await _wake.Reader.WaitToReadAsync(stop).ConfigureAwait(false))
            {
                _wake.Reader.TryRead(out _);
                while (!stop.IsCancellationRequested && TryTake(out var address, out var wanted))
                {
                    using var limit = new CancellationTokenSource(Patience);
                    await RunAsync(wanted.IsHere, address, wanted.Epoch, limit.Token).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The agent stops.
        }

        // What waits is not begun any more; what was begun is undone, all together within the time of one command.
        using var end = new CancellationTokenSource(Patience);
        foreach (var (address, (isHere, epoch)) in _done.OrderBy(d => d.Key))
        {
            if (isHere)
            {
                await RunAsync(isHere: false, address, epoch, end.Token).ConfigureAwait(false);
            }
        }
    }

    private bool TryTake(out IpAddress address, out (bool IsHere, Epoch Epoch) wanted)
    {
        lock (_waiting)
        {
            foreach (var (waiting, latest) in _waiting)
            {
                _waiting.Remove(waiting);
                if (_done.TryGetValue(waiting, out var before) && before == latest)
                {
                    continue;
                }

                (address, wanted) = (waiting, latest);
                _done[waiting] = latest;
                return true;
            }
        }

        (address, wanted) = (IpAddress.None, default);
        return false;
    }

    private async Task RunAsync(bool isHere, IpAddress address, Epoch epoch, CancellationToken limit)
    {
        var what = isHere ? "take" : "yield";
        try
        {
            string[] arguments = [what, address.ToString(), epoch.Value.ToString(CultureInfo.InvariantCulture)];
            using var process = Process.Start(new ProcessStartInfo(path, arguments) { UseShellExecute = false, RedirectStandardInput = true })
                ?? throw new InvalidOperationException("it did not start");
            process.StandardInput.Close();
            try
            {
                await process.WaitForExitAsync(limit).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                await log.WriteLineAsync($"{path} {what} {address}: ended, for it took longer than {Patience.TotalSeconds:F0} s").ConfigureAwait(false);
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
