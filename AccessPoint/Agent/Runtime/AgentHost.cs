using System.Globalization;
using System.Runtime;
using System.Security.Cryptography;
using Masquerade.AccessPoint.Agent.Configuration;
using Masquerade.AccessPoint.Agent.Control;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.AccessPoint.Agent.FastPath;
using Masquerade.AccessPoint.Agent.Logging;
using Masquerade.AccessPoint.Agent.Observing;
using Masquerade.AccessPoint.Agent.Radio;
using Masquerade.Auth.FastTransition;
using Masquerade.Core.Diagnostics;
using Masquerade.Pki.Channel;

namespace Masquerade.AccessPoint.Agent.Runtime;

/// <summary>Puts an agent together: devices, node, data thread, and the tasks that talk to coordinator, hostapd and operators.</summary>
internal sealed class AgentHost(AgentConfig config, CredentialStore? credentials, TextWriter log)
{
    private readonly TextWriter _log = TextWriter.Synchronized(log);
    private MappingLog? _mappings;

    /// <summary>Files that are written to may have been moved.</summary>
    public void Reopen() => Volatile.Read(ref _mappings)?.Reopen();

    /// <summary>Runs until cancelled, or until the capture files end.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        using var uplink = Open(config.UplinkDevice, config.Model.Uplink.Mac, config.Model.Uplink.Mtu);
        using var clients = Open(config.ClientDevice, config.Model.Clients.GatewayMac, config.Model.Clients.Mtu);
        var model = config.Complete(RandomNumber(), uplink.HardwareAddress, uplink.Mtu, clients.Mtu);
        await using var events = new EventLog(model.Node, config.EventsFile, config.EventsSocket);
        await using var mappings = config.MappingLog.IsOn ? new MappingLog(config.MappingLog, model.Node, comesBack: !model.Standalone, TimeProvider.System, _log, blockSize: model.PortBlockSize) : null;
        _mappings = mappings;
        model = model with
        {
            // Capture files have their own time of day.
            LinkRandom = System.Security.Cryptography.RandomNumberGenerator.Fill,
            LocalTime = config.IsOffline ? null : static _ => TimeProvider.System.GetLocalNow(),
            WallClock = config.IsOffline ? static now => now.Nanoseconds / 1_000_000 : static _ => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds(),
            ReportsConnections = config.MappingLog is { IsOn: true, Destinations: true },
        };
        var seed = config.Seed ?? RandomNumber();
        if (uplink is CaptureFileDevice uplinkFile && clients is CaptureFileDevice clientFile)
        {
            await RunFilesAsync(model, seed, uplinkFile, clientFile, events, stop).ConfigureAwait(false);
        }
        else
        {
            await RunLiveAsync(model, seed, uplink, clients, events, stop).ConfigureAwait(false);
        }
    }

    private async Task RunFilesAsync(
        AccessPointModel model, ulong seed, CaptureFileDevice uplink, CaptureFileDevice clients, EventLog events, CancellationToken stop)
    {
        var output = new DeviceOutput(uplink, clients, null, events) { Mappings = _mappings, WallClock = model.WallClock! };
        var node = new AccessPointNode(model, seed, output);
        output.Drops = node.Drops;
        var frames = FileRun.Run(node, uplink, clients, output, stop);
        await _log.WriteLineAsync($"{model.Node}: {frames} frames read from capture files").ConfigureAwait(false);
        await TellStatisticsAsync(node, uplink, clients).ConfigureAwait(false);
    }

    private async Task RunLiveAsync(
        AccessPointModel model, ulong seed, IPacketDevice uplink, IPacketDevice clients, EventLog events, CancellationToken stop)
    {
        var warmUp = WarmUp.Run();
        using var fastPath = TryOpenFastPath(model, uplink, clients);
        model = model with { FastPath = fastPath };
        using var poller = new Poller();
        var inputs = new InputQueue(poller);
        var security = credentials is null ? null : new ChannelSecurity(credentials, config.Tls!.Coordinators, e => events.Report(e, MonotonicClock.Now), _log);
        var coordinator = config.Coordinators.Count == 0 ? null : new CoordinatorClient(config.Coordinators, inputs.PostAsync, _log) { Security = security };
        var addresses = config.AddressCommand.Length == 0 ? null : new AddressCommand(config.AddressCommand, _log);
        using var keys = config.RadioKeys is { } link ? new KeySocket(link.Interface, inputs.PostAsync) : null;
        model = keys is null ? model : model with { RadioKeys = new RrbKeyHolderConfig { Address = keys.HardwareAddress, Key = config.RadioKeys!.Key } };
        var own = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"masq-agent-{Environment.ProcessId}-{model.Node}"));
        var radio = config.Hostapd.Length == 0 ? null : new HostapdCommands(config.Hostapd, own + "-c", _log);
        var output = new DeviceOutput(uplink, clients, coordinator, events) { Addresses = addresses, Mappings = _mappings, Keys = keys, Radio = radio, FastPath = fastPath };
        var node = new AccessPointNode(model, seed, output);
        output.Drops = node.Drops;
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var tasks = new List<Task>();
        if (config.ControlSocket.Length > 0)
        {
            tasks.Add(new StatusServer(config.ControlSocket, inputs).RunAsync(ended.Token));
        }

        if (addresses is not null)
        {
            tasks.Add(Task.Run(() => addresses.RunAsync(ended.Token), CancellationToken.None));
        }

        if (radio is not null)
        {
            tasks.Add(new HostapdClient(config.Hostapd, own, inputs.PostAsync, _log) { AsksWhose = model.Users.AskLink }.RunAsync(ended.Token));
            tasks.Add(radio.RunAsync(ended.Token));
        }

        if (keys is not null)
        {
            tasks.Add(keys.RunAsync(ended.Token));
        }

        if (coordinator is not null)
        {
            tasks.Add(Task.Run(() => coordinator.RunAsync(ended.Token), CancellationToken.None));
            if (security is not null)
            {
                tasks.Add(Task.Run(() => security.WatchAsync(config.Tls!.ReloadInterval, ended.Token), CancellationToken.None));
            }
        }

        // A pause of the collector is a pause of everybody's traffic. Nothing on the packet path allocates; what control messages leave behind is collected in small steps.
        GCSettings.LatencyMode = GCLatencyMode.SustainedLowLatency;
        var loop = new DataLoop(model, node, uplink, clients, output, inputs, poller, events) { FastPath = fastPath };
        var finished = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() => RunLoop(loop, finished, ended.Token)) { Name = "data", Priority = ThreadPriority.AboveNormal };
        thread.Start();
        await _log.WriteLineAsync(
            $"{model.Node}: uplink {uplink.Name} ({model.Uplink.Mac}), clients {clients.Name}, {model.Uplink.Addresses.Count} addresses, seed {seed}, warm after {warmUp.TotalMilliseconds:F0} ms").ConfigureAwait(false);
        await using (ended.Token.Register(poller.Wake).ConfigureAwait(false))
        {
            try
            {
                await finished.Task.ConfigureAwait(false);
            }
            finally
            {
                await ended.CancelAsync().ConfigureAwait(false);
                thread.Join();
                await Task.WhenAll(tasks).ConfigureAwait(false);
                await TellStatisticsAsync(node, uplink, clients).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The kernel's fast path; null where it is switched off or cannot be had, which is said.</summary>
    private KernelFastPath? TryOpenFastPath(AccessPointModel model, IPacketDevice uplink, IPacketDevice clients)
    {
        if (!config.FastPath.Enabled || uplink is not AfPacketDevice from || clients is not AfPacketDevice to)
        {
            return null;
        }

        try
        {
            return new KernelFastPath(config.FastPath, model, from, to);
        }
        catch (IOException e)
        {
            _log.WriteLine($"{model.Node}: no packets pass in the kernel: {e.Message}");
            return null;
        }
    }

    private static void RunLoop(DataLoop loop, TaskCompletionSource finished, CancellationToken stop)
    {
        try
        {
            loop.Run(stop);
            finished.SetResult();
        }
        catch (Exception e)
        {
            // The thread's end is the agent's: whoever waits gets the reason.
            finished.SetException(e);
        }
    }

    private static IPacketDevice Open(DeviceConfig device, Core.Flow.MacAddress mac, int mtu) => device.Kind switch
    {
        DeviceKind.AfPacket => new AfPacketDevice(device.Interface),
        DeviceKind.Pcap => new LibpcapDevice(device.Interface),
        _ => new CaptureFileDevice(device.InputPath, device.OutputPath, mac, mtu == 0 ? 1500 : mtu),
    };

    private static ulong RandomNumber() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));

    private async Task TellStatisticsAsync(AccessPointNode node, IPacketDevice uplink, IPacketDevice clients)
    {
        foreach (var device in new[] { uplink, clients })
        {
            var s = device.Statistics;
            await _log.WriteLineAsync(
                $"{device.Name}: {s.Received} received, {s.Transmitted} transmitted, {s.KernelDrops} dropped by the kernel, {s.ReceiveErrors + s.TransmitErrors} errors")
                .ConfigureAwait(false);
        }

        foreach (var reason in Enum.GetValues<DropReason>())
        {
            if (node.Drops[reason] > 0)
            {
                await _log.WriteLineAsync($"dropped, {reason}: {node.Drops[reason]}").ConfigureAwait(false);
            }
        }
    }
}
